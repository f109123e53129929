//! What is wrong with arguments, in words a model can act on.
//!
//! A problem names the place, what was expected there and, of what was sent, only its kind or
//! the names of members: values stay out, since they may be secrets.

use std::borrow::Cow;
use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use keyway_plugin_api::ToolError;
use serde::Serialize;
use serde_json::Value;

use super::graph::kind;
use crate::text::excerpt;

/// Most problems that one answer lists.
pub const PROBLEMS_MAX: usize = 16;

/// One thing that is wrong with arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArgumentProblem {
    /// JSON pointer of the place; empty for the arguments as a whole.
    pub path: String,
    /// What is wrong and what to send instead.
    pub message: String,
    /// What may stand there, where that is short enough to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl ArgumentProblem {
    pub(super) fn at_root(message: String) -> Self {
        Self {
            path: String::new(),
            message,
            expected: None,
        }
    }

    /// Says the problem of what is called so as a whole.
    fn of(&self, whole: &str) -> String {
        let place = match self.path.as_str() {
            "" => whole,
            path => path,
        };
        format!("{place}: {}", self.message)
    }
}

impl fmt::Display for ArgumentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of("arguments"))
    }
}

impl std::error::Error for ArgumentProblem {}

/// Everything that is wrong with arguments, at most [`PROBLEMS_MAX`] of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArgumentProblems {
    problems: Vec<ArgumentProblem>,
    more: bool,
}

impl ArgumentProblems {
    /// Iterates over the problems in the order of the schema.
    pub fn iter(&self) -> std::slice::Iter<'_, ArgumentProblem> {
        self.problems.iter()
    }

    /// Tells whether there are more problems than are listed.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "INVALID_ARGUMENTS"
    }

    /// Says them of what is called so as a whole: settings are held to schemas, too.
    pub(crate) fn of(&self, whole: &str) -> String {
        let said = self.problems.iter().map(|problem| problem.of(whole));
        let more = self.more.then(|| "and more".to_owned());
        said.chain(more).collect::<Vec<_>>().join("; ")
    }
}

impl<'a> IntoIterator for &'a ArgumentProblems {
    type Item = &'a ArgumentProblem;
    type IntoIter = std::slice::Iter<'a, ArgumentProblem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ArgumentProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of("arguments"))
    }
}

impl std::error::Error for ArgumentProblems {}

impl From<ArgumentProblem> for ArgumentProblems {
    fn from(problem: ArgumentProblem) -> Self {
        Self {
            problems: vec![problem],
            more: false,
        }
    }
}

impl From<ArgumentProblems> for ToolError {
    fn from(problems: ArgumentProblems) -> Self {
        Self::invalid_arguments(problems.to_string())
    }
}

/// Turns the library's errors into problems.
pub(super) fn collect<'e>(
    errors: impl Iterator<Item = ValidationError<'e>>,
    schema: &Value,
) -> ArgumentProblems {
    let mut problems = Vec::new();
    let mut more = false;
    for error in errors {
        let problem = describe(&error, schema);
        if problems.contains(&problem) {
            continue;
        }
        if problems.len() == PROBLEMS_MAX {
            more = true;
            break;
        }
        problems.push(problem);
    }
    ArgumentProblems { problems, more }
}

/// Describes one error of the library.
pub(super) fn describe(error: &ValidationError<'_>, schema: &Value) -> ArgumentProblem {
    let (message, expected) = words(error, schema);
    ArgumentProblem {
        path: excerpt(error.instance_path().as_str()).into_owned(),
        message,
        expected,
    }
}

type Words = (String, Option<String>);

fn words(error: &ValidationError<'_>, schema: &Value) -> Words {
    match error.kind() {
        Kind::Type { kind } => {
            let expected = types(kind);
            let found = self::kind(error.instance());
            (
                format!("expected {expected}, found {found}"),
                Some(expected),
            )
        }
        Kind::Required { property } => (
            format!("the member {} is missing", json(property)),
            Some(json(property).into_owned()),
        ),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected_members(unexpected, error, schema)
        }
        Kind::Enum { options } => one_of(options),
        Kind::Constant { expected_value } => {
            let expected = json(expected_value).into_owned();
            (format!("expected {expected}"), Some(expected))
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context, schema),
        Kind::OneOfMultipleValid { .. } => (
            "fits more than one alternative; send what fits exactly one".to_owned(),
            None,
        ),
        Kind::PropertyNames { error } => {
            let inner = words(error, schema);
            (format!("a member's name is refused: {}", inner.0), inner.1)
        }
        Kind::Pattern { pattern } => {
            let expected = format!("text that matches `{}`", excerpt(pattern));
            (format!("expected {expected}"), Some(expected))
        }
        other => (plain(other), None),
    }
}

/// Words for the kinds that need nothing but themselves.
fn plain(kind: &Kind) -> String {
    match kind {
        Kind::AdditionalItems { limit } => format!("send at most {limit} entries"),
        Kind::Contains => "none of the entries is of the kind that must be among them".to_owned(),
        Kind::ContentEncoding { content_encoding } => {
            format!("expected text encoded as {}", excerpt(content_encoding))
        }
        Kind::ContentMediaType { content_media_type } => {
            format!("expected text of type {}", excerpt(content_media_type))
        }
        Kind::ExclusiveMaximum { limit } => format!("send a number less than {}", json(limit)),
        Kind::ExclusiveMinimum { limit } => format!("send a number greater than {}", json(limit)),
        Kind::FalseSchema => "nothing may stand here; leave it out".to_owned(),
        Kind::MaxItems { limit } => format!("send at most {limit} entries"),
        Kind::MaxLength { limit } => format!("send at most {limit} characters"),
        Kind::MaxProperties { limit } => format!("send at most {limit} members"),
        Kind::Maximum { limit } => format!("send a number of at most {}", json(limit)),
        Kind::MinItems { limit } => format!("send at least {limit} entries"),
        Kind::MinLength { limit } => format!("send at least {limit} characters"),
        Kind::MinProperties { limit } => format!("send at least {limit} members"),
        Kind::Minimum { limit } => format!("send a number of at least {}", json(limit)),
        Kind::MultipleOf { multiple_of } => format!("send a multiple of {multiple_of}"),
        Kind::Not { .. } => "is of a kind that is excluded".to_owned(),
        Kind::UnevaluatedItems { .. } => "has entries that are not allowed".to_owned(),
        Kind::UniqueItems => "an entry stands twice; send each once".to_owned(),
        other => format!("does not satisfy `{}`", other.keyword()),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => article(one.as_str()),
        TypeKind::Multiple(set) => {
            let names: Vec<_> = set.iter().map(|one| article(one.as_str())).collect();
            names.join(" or ")
        }
    }
}

fn article(name: &str) -> String {
    match name {
        "null" => name.to_owned(),
        "array" | "integer" | "object" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

fn one_of(options: &Value) -> Words {
    let shown: Vec<_> = options.as_array().into_iter().flatten().map(json).collect();
    let expected = excerpt(&shown.join(", ")).into_owned();
    (format!("expected one of {expected}"), Some(expected))
}

fn unexpected_members(names: &[String], error: &ValidationError<'_>, schema: &Value) -> Words {
    let joined = names.join("`, `");
    let message = match names {
        [_] => format!(
            "the member `{}` is not known; leave it out",
            excerpt(&joined)
        ),
        _ => format!(
            "the members `{}` are not known; leave them out",
            excerpt(&joined)
        ),
    };
    let known = error
        .schema_path()
        .as_str()
        .rsplit_once('/')
        .and_then(|(parent, _)| schema.pointer(parent)?.get("properties")?.as_object())
        .map(|known| {
            known
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        })
        .filter(|known| !known.is_empty())
        .map(|known| excerpt(&known).into_owned());
    match known {
        Some(known) => (format!("{message} (known: {known})"), Some(known)),
        None => (message, None),
    }
}

/// Describes the alternative that came closest: the one with the fewest errors, where a wrong
/// constant, which tells alternatives apart, weighs more than any number of others.
fn alternatives(context: &[Vec<ValidationError<'static>>], schema: &Value) -> Words {
    let distance = |errors: &&Vec<ValidationError<'static>>| {
        let telling = |e: &ValidationError<'_>| {
            matches!(
                e.kind(),
                Kind::Constant { .. } | Kind::Enum { .. } | Kind::Type { .. }
            )
        };
        (errors.iter().filter(|e| telling(e)).count(), errors.len())
    };
    let count = context.len();
    let closest = context
        .iter()
        .filter(|errors| !errors.is_empty())
        .min_by_key(distance)
        .and_then(|errors| errors.first());
    match closest {
        Some(error) => {
            let ArgumentProblem {
                path,
                message,
                expected,
            } = describe(error, schema);
            let place = if path.is_empty() {
                String::new()
            } else {
                format!("{path}: ")
            };
            let message =
                format!("fits none of {count} alternatives; the closest: {place}{message}");
            (message, expected)
        }
        None => (format!("fits none of {count} alternatives"), None),
    }
}

/// A value of the schema, cut. Values of the arguments never come here.
fn json(value: &Value) -> Cow<'static, str> {
    Cow::Owned(excerpt(&value.to_string()).into_owned())
}
