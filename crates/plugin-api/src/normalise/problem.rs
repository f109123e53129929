//! Why a schema was refused.

use serde_json::Value;

/// Says why a schema cannot be brought into canonical form. The tool's author is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaProblem {
    /// A `$ref` names a place that does not exist in the document.
    #[error("`$ref: {reference}` at `{at}` leads nowhere")]
    DeadReference {
        /// The reference.
        reference: String,
        /// JSON Pointer to the schema that holds it, in the original document.
        at: String,
    },
    /// Something that stands where a schema must stand is no schema.
    #[error("expected a schema at `{at}`")]
    NotASchema {
        /// JSON Pointer to it, in the original document.
        at: String,
    },
    /// A `$ref` leaves the document; nothing is ever fetched.
    #[error("`$ref: {reference}` at `{at}` leaves the schema; references must be local")]
    RemoteReference {
        /// The reference.
        reference: String,
        /// JSON Pointer to the schema that holds it, in the original document.
        at: String,
    },
    /// The root combines schemas, which model APIs refuse.
    #[error(
        "`{keyword}` at the root of an input schema is refused by model APIs; expected one plain \
         object"
    )]
    RootCombinator {
        /// The keyword.
        keyword: String,
    },
    /// The root of an input schema is no object schema.
    #[error("expected an input schema of `type: object`, found {found}")]
    RootNotObject {
        /// What stands there.
        found: String,
    },
    /// The schema nests too deep, references followed.
    #[error("the schema nests more than {limit} levels deep at `{at}`")]
    TooDeep {
        /// The bound.
        limit: usize,
        /// JSON Pointer to the place, in the original document.
        at: String,
    },
    /// The schema is too large, references followed.
    #[error("the schema takes more than {limit} bytes")]
    TooLarge {
        /// The bound, in bytes of JSON.
        limit: usize,
    },
    /// The schema has too many parts, references followed.
    #[error("the schema has more than {limit} values")]
    TooManyNodes {
        /// The bound.
        limit: usize,
    },
    /// A keyword's meaning depends on documents or anchors that are gone after normalising.
    #[error("`{keyword}` at `{at}` is not supported; use a local `$ref`")]
    UnsupportedKeyword {
        /// The keyword.
        keyword: String,
        /// JSON Pointer to the schema that holds it, in the original document.
        at: String,
    },
}

impl SchemaProblem {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DeadReference { .. } => "SCHEMA_REF_DEAD",
            Self::NotASchema { .. } | Self::UnsupportedKeyword { .. } => "SCHEMA_INVALID",
            Self::RemoteReference { .. } => "SCHEMA_REF_REMOTE",
            Self::RootCombinator { .. } | Self::RootNotObject { .. } => "SCHEMA_ROOT",
            Self::TooDeep { .. } | Self::TooLarge { .. } | Self::TooManyNodes { .. } => {
                "SCHEMA_TOO_LARGE"
            }
        }
    }

    pub(super) fn root_not_object(schema: &Value) -> Self {
        let found = match schema {
            Value::Object(root) => match root.get("type") {
                Some(name) => format!("`type: {name}`"),
                None => "no `type`".to_owned(),
            },
            Value::Bool(any) => format!("`{any}`"),
            Value::Null => "`null`".to_owned(),
            _ => "something else".to_owned(),
        };
        Self::RootNotObject { found }
    }
}
