//! Collects problems while a document is walked, and reads typed values out of it on the way.

use std::fmt;

use serde_json::{Map, Value};

use super::error::{ManifestError, Notice, Problem};

/// Beyond this many problems a document is not an honest mistake, and a report no help.
const PROBLEMS_MAX: usize = 256;

/// A spot in the document, linked to the one around it: costs nothing until it is written out.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => f.write_str("$"),
            At::Key(At::Root, key) if is_plain(key) => f.write_str(key),
            At::Key(At::Root, key) => write!(f, "[\"{}\"]", shown(key)),
            At::Key(parent, key) if is_plain(key) => write!(f, "{parent}.{key}"),
            At::Key(parent, key) => write!(f, "{parent}[\"{}\"]", shown(key)),
            At::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

fn is_plain(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'-');
    (1..=64).contains(&key.len()) && key.bytes().all(allowed)
}

/// Makes text from a manifest safe to print: escaped and cut.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect();
    if text.chars().nth(64).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Whether an unknown field stops the document from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Notice,
    Problem,
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    notices: Vec<Notice>,
}

impl Report {
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Ends the walk: the notices, or the error.
    pub(super) fn finish(self) -> Result<Vec<Notice>, ManifestError> {
        match self.is_clean() {
            true => Ok(self.notices),
            false => Err(ManifestError::new(self.problems)),
        }
    }

    pub(super) fn problem(&mut self, at: At<'_>, code: &'static str, message: impl Into<String>) {
        self.push(problem(at, code, message.into(), None));
    }

    pub(super) fn problem_with_hint(
        &mut self,
        at: At<'_>,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(problem(at, code, message.into(), Some(hint.into())));
    }

    pub(super) fn notice(&mut self, at: At<'_>, code: &'static str, message: impl Into<String>) {
        self.push_notice(problem(at, code, message.into(), None));
    }

    pub(super) fn missing(&mut self, parent: At<'_>, key: &str, hint: &str) {
        let message = format!("`{key}` is missing");
        self.problem_with_hint(parent.key(key), "MISSING_FIELD", message, hint);
    }

    /// Reports every field that is not in `known`, in the order of their names.
    pub(super) fn unknown_fields(
        &mut self,
        at: At<'_>,
        object: &Map<String, Value>,
        known: &[&str],
        verdict: Unknown,
    ) {
        let mut unknown: Vec<&String> = object.keys().collect();
        unknown.retain(|key| !known.contains(&key.as_str()));
        unknown.sort();
        for key in unknown {
            let hint = match nearest(key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the fields are {}", known.join(", ")),
            };
            let message = format!("unknown field `{}`", shown(key));
            let found = problem(at.key(key), "UNKNOWN_FIELD", message, Some(hint));
            match verdict {
                Unknown::Notice => self.push_notice(found),
                Unknown::Problem => self.push(found),
            }
        }
    }

    pub(super) fn object<'v>(
        &mut self,
        at: At<'_>,
        value: &'v Value,
    ) -> Option<&'v Map<String, Value>> {
        let found = value.as_object();
        self.typed(at, value, found, "an object")
    }

    pub(super) fn list<'v>(&mut self, at: At<'_>, value: &'v Value) -> Option<&'v Vec<Value>> {
        let found = value.as_array();
        self.typed(at, value, found, "a list")
    }

    pub(super) fn text<'v>(&mut self, at: At<'_>, value: &'v Value) -> Option<&'v str> {
        let found = value.as_str();
        self.typed(at, value, found, "a string")
    }

    pub(super) fn flag(&mut self, at: At<'_>, value: &Value) -> Option<bool> {
        self.typed(at, value, value.as_bool(), "true or false")
    }

    pub(super) fn count(&mut self, at: At<'_>, value: &Value) -> Option<u64> {
        self.typed(at, value, value.as_u64(), "a whole number from 0 up")
    }

    /// Reads a list of strings where there is one, and hands on each with its spot.
    pub(super) fn texts(
        &mut self,
        at: At<'_>,
        value: Option<&Value>,
        mut each: impl FnMut(&mut Self, At<'_>, &str),
    ) {
        let items = value.and_then(|value| self.list(at, value));
        for (i, item) in items.into_iter().flatten().enumerate() {
            if let Some(text) = self.text(at.index(i), item) {
                each(self, at.index(i), text);
            }
        }
    }

    fn typed<T>(&mut self, at: At<'_>, value: &Value, found: Option<T>, wanted: &str) -> Option<T> {
        if found.is_none() {
            let message = format!("expected {wanted}, found {}", type_name(value));
            self.problem(at, "WRONG_TYPE", message);
        }
        found
    }

    fn push(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    fn push_notice(&mut self, what: Problem) {
        if self.notices.len() < PROBLEMS_MAX {
            self.notices.push(Notice::new(what));
        }
    }
}

fn problem(at: At<'_>, code: &'static str, message: String, hint: Option<String>) -> Problem {
    Problem {
        hint,
        ..Problem::new(at.to_string(), code, message)
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(n) if n.is_f64() => "a number with a fraction",
        Value::Number(n) if n.as_u64().is_none() => "a negative number",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Returns the known name that the author probably meant.
pub(super) fn nearest<'k>(typed: &str, known: &[&'k str]) -> Option<&'k str> {
    let typed: String = typed.chars().take(64).collect();
    let distances = known.iter().map(|name| (distance(&typed, name), *name));
    let (distance, name) = distances.min()?;
    (distance <= 2 && distance < name.len()).then_some(name)
}

/// Counts the edits between two words, letter case aside.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (j, y) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX);
            let edits = (diagonal + usize::from(x != *y))
                .min(left + 1)
                .min(above + 1);
            diagonal = above;
            if let Some(slot) = row.get_mut(j) {
                *slot = left;
            }
            left = edits;
        }
        if let Some(slot) = row.last_mut() {
            *slot = left;
        }
    }
    row.last().copied().unwrap_or_default()
}
