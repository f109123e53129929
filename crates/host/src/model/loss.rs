//! What a tool loses on its way to a model API, and why a tool is left out.

use std::fmt;

use keyway_plugin_api::SchemaProblem;
use serde::Serialize;

/// Something that an API's form of a tool does not say as the tool itself does.
///
/// The host still checks every call against the tool's own schema, so a loss never lets anything
/// through: the model only learns of it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// A keyword the API does not know was left out; its text went into the description.
    Keyword {
        /// JSON Pointer to the schema, in the tool's own input schema.
        at: String,
        /// The keyword.
        keyword: String,
    },
    /// The description is kept whole and is longer than some endpoints take.
    LongDescription {
        /// Its length in characters.
        chars: usize,
    },
    /// The API has a strict mode, and this tool does not use it.
    NotStrict {
        /// Why not.
        why: NotStrict,
    },
    /// `oneOf` became `anyOf`, and a value may fit several branches.
    OneOf {
        /// JSON Pointer to the schema.
        at: String,
    },
    /// An optional property was left out: the API does not take its name.
    Property {
        /// JSON Pointer to the object schema.
        at: String,
        /// The property.
        name: String,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword { at, keyword } => write!(f, "`{keyword}` at `{at}` is not sent"),
            Self::LongDescription { chars } => write!(f, "the description has {chars} characters"),
            Self::NotStrict { why } => write!(f, "not strict: {why}"),
            Self::OneOf { at } => write!(f, "`oneOf` at `{at}` is sent as `anyOf`"),
            Self::Property { at, name } => {
                write!(f, "the optional property `{name}` at `{at}` is not sent")
            }
        }
    }
}

/// Why strict mode would change what a tool accepts, or would be refused by the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotStrict {
    /// An optional property stands in one of several objects of an `anyOf`: a `null` for it could
    /// not be told from the other object's.
    AmbiguousNull {
        /// JSON Pointer to the schema.
        at: String,
    },
    /// The runtime asked for no strict tools.
    AskedFor,
    /// Strict mode does not know the keyword, or not with this value.
    Keyword {
        /// JSON Pointer to the schema.
        at: String,
        /// The keyword.
        keyword: String,
    },
    /// Strict mode wants every property, so that `null` would mean "absent", and here it means
    /// something of its own.
    NullIsAValue {
        /// JSON Pointer to the property's schema.
        at: String,
    },
    /// An object takes properties it does not name.
    OpenObject {
        /// JSON Pointer to the schema.
        at: String,
    },
    /// A value may fit several branches of a `oneOf`.
    OverlappingOneOf {
        /// JSON Pointer to the schema.
        at: String,
    },
    /// A property was left out for its name.
    Property {
        /// JSON Pointer to the object schema.
        at: String,
    },
    /// A type holds itself.
    Recursive {
        /// JSON Pointer to the reference.
        at: String,
    },
    /// The other tools of the request have used up what the API takes of strict tools.
    RequestLimit {
        /// What is limited.
        what: &'static str,
        /// How many one request may have.
        limit: usize,
    },
    /// Two objects of an `anyOf` begin with the same property.
    SharedFirstKey {
        /// JSON Pointer to the schema.
        at: String,
    },
    /// The schema is larger than strict mode takes.
    TooMuch {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Any value is accepted there.
    Untyped {
        /// JSON Pointer to the schema.
        at: String,
    },
}

impl fmt::Display for NotStrict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AmbiguousNull { at } => write!(f, "a null inside `{at}` could mean two things"),
            Self::AskedFor => f.write_str("no strict tools were asked for"),
            Self::Keyword { at, keyword } => write!(f, "`{keyword}` at `{at}`"),
            Self::NullIsAValue { at } => write!(f, "`{at}` is optional and may be null as well"),
            Self::OpenObject { at } => write!(f, "the object at `{at}` is open"),
            Self::OverlappingOneOf { at } => write!(f, "branches of `oneOf` at `{at}` overlap"),
            Self::Property { at } => write!(f, "a property at `{at}` is not sent"),
            Self::Recursive { at } => write!(f, "the type at `{at}` holds itself"),
            Self::RequestLimit { what, limit } => {
                write!(f, "a request takes at most {limit} {what}")
            }
            Self::SharedFirstKey { at } => {
                write!(
                    f,
                    "objects of `anyOf` at `{at}` begin with the same property"
                )
            }
            Self::TooMuch { what, limit } => write!(f, "a strict tool has at most {limit} {what}"),
            Self::Untyped { at } => write!(f, "`{at}` accepts any value"),
        }
    }
}

/// A tool that an API cannot be told of, with the reason; its siblings are offered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The tool's canonical name.
    pub tool_id: String,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a tool is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// The name was given twice; the first stays.
    #[error("the tool is listed twice")]
    Duplicate,
    /// The input schema is not one of JSON Schema 2020-12, or beyond the host's own limits of
    /// schemas; an API would refuse the whole request.
    #[error("the input schema is none: {problem}")]
    NotASchema {
        /// What is wrong with it.
        problem: String,
    },
    /// The API does not take the name of a property that every call must have.
    #[error("the API does not take the name of the required property `{name}` at `{at}`")]
    PropertyName {
        /// JSON Pointer to the object schema.
        at: String,
        /// The property.
        name: String,
    },
    /// The input schema has no canonical form.
    #[error("the input schema is refused: {0}")]
    Schema(#[from] SchemaProblem),
    /// The tool's entry is too large to send.
    #[error("the entry has {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

impl LeftOutReason {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Duplicate => "TOOL_DUPLICATE",
            Self::NotASchema { .. } => "SCHEMA_INVALID",
            Self::PropertyName { .. } => "PROPERTY_NAME_REFUSED",
            Self::Schema(problem) => problem.code(),
            Self::TooLarge { .. } => "TOOL_TOO_LARGE",
        }
    }
}
