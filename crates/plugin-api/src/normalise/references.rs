//! Finds the places that a schema refers to from within themselves.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::{MAX_DEPTH, SchemaProblem, keywords};

/// Returns the JSON Pointers at which cycles of references close. Keeping a reference to each of
/// these and replacing every other reference by its target ends.
pub(super) fn recursive_targets(root: &Value) -> Result<BTreeSet<String>, SchemaProblem> {
    let mut search = Search {
        root,
        open: vec![String::new()],
        closed: HashSet::new(),
        heads: BTreeSet::new(),
    };
    search.visit(root, "", 0)?;
    Ok(search.heads)
}

/// A depth-first search that follows references; a reference to what is still open is a cycle.
struct Search<'a> {
    root: &'a Value,
    open: Vec<String>,
    closed: HashSet<String>,
    heads: BTreeSet<String>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, schema: &'a Value, at: &str, depth: usize) -> Result<(), SchemaProblem> {
        check_depth(depth, at)?;
        if let Some(pointer) = reference(schema, at)? {
            self.follow(pointer, at, depth)?;
        }
        let mut outcome = Ok(());
        keywords::for_each_subschema(schema, &mut |steps, inner| {
            // Definitions count only where something refers to them.
            if outcome.is_ok() && !matches!(steps[0], "$defs" | "definitions") {
                outcome = self.visit(inner, &join(at, steps), depth + 1);
            }
        });
        outcome
    }

    fn follow(&mut self, pointer: String, at: &str, depth: usize) -> Result<(), SchemaProblem> {
        if self.open.contains(&pointer) {
            self.heads.insert(pointer);
            return Ok(());
        }
        if self.closed.contains(&pointer) {
            return Ok(());
        }
        let target = resolve(self.root, &pointer, at)?;
        self.open.push(pointer.clone());
        self.visit(target, &pointer, depth + 1)?;
        self.open.pop();
        self.closed.insert(pointer);
        Ok(())
    }
}

/// Returns the JSON Pointer that a schema's `$ref` holds, where it has one.
pub(super) fn reference(schema: &Value, at: &str) -> Result<Option<String>, SchemaProblem> {
    let Value::Object(members) = schema else {
        return Ok(None);
    };
    refuse_other_references(members, at)?;
    let Some(reference) = members.get("$ref") else {
        return Ok(None);
    };
    let Value::String(reference) = reference else {
        return Err(SchemaProblem::NotASchema { at: at.to_owned() });
    };
    let Some(fragment) = reference.strip_prefix('#') else {
        return Err(SchemaProblem::RemoteReference {
            reference: reference.clone(),
            at: at.to_owned(),
        });
    };
    Ok(Some(percent_decoded(fragment).into_owned()))
}

/// Returns the schema that a pointer leads to.
pub(super) fn resolve<'a>(
    root: &'a Value,
    pointer: &str,
    at: &str,
) -> Result<&'a Value, SchemaProblem> {
    root.pointer(pointer)
        .ok_or_else(|| SchemaProblem::DeadReference {
            reference: format!("#{pointer}"),
            at: at.to_owned(),
        })
}

/// Extends a JSON Pointer.
pub(super) fn join(at: &str, steps: &[&str]) -> String {
    let mut path = at.to_owned();
    for step in steps {
        path.push('/');
        path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    path
}

/// Refuses what nests too deep.
pub(super) fn check_depth(depth: usize, at: &str) -> Result<(), SchemaProblem> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(SchemaProblem::TooDeep {
        limit: MAX_DEPTH,
        at: at.to_owned(),
    })
}

fn refuse_other_references(members: &Map<String, Value>, at: &str) -> Result<(), SchemaProblem> {
    match ["$dynamicRef", "$recursiveRef"]
        .into_iter()
        .find(|keyword| members.contains_key(*keyword))
    {
        None => Ok(()),
        Some(keyword) => Err(SchemaProblem::UnsupportedKeyword {
            keyword: keyword.to_owned(),
            at: at.to_owned(),
        }),
    }
}

/// Decodes `%24` and the like; what is not well-formed stays and then leads nowhere.
fn percent_decoded(fragment: &str) -> Cow<'_, str> {
    if !fragment.contains('%') {
        return Cow::Borrowed(fragment);
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
