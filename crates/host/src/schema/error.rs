//! Why a schema was refused.

/// Says why a schema was refused; the plugin's author can fix every one of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A reference comes back to the place it started from without stepping into the arguments.
    #[error("the references at {at} lead back to themselves")]
    #[non_exhaustive]
    Cycle {
        /// JSON pointer of a subschema on the cycle.
        at: String,
    },
    /// The schema is written in a dialect that this host does not speak.
    #[error("unexpected dialect `{found}`, expected JSON Schema 2020-12, 2019-09 or draft-07")]
    #[non_exhaustive]
    Dialect {
        /// The dialect that `$schema` names, escaped and cut.
        found: String,
    },
    /// A subschema names itself as a document of its own.
    #[error("the `$id` at {at} is refused: only the root may carry one")]
    #[non_exhaustive]
    EmbeddedId {
        /// JSON pointer of the subschema.
        at: String,
    },
    /// The schema is not a valid JSON Schema.
    #[error("not a valid schema at {at}: {problem}")]
    #[non_exhaustive]
    Invalid {
        /// JSON pointer of the offending part.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A pattern cannot be used.
    #[error("the pattern at {at} is refused: {problem}")]
    #[non_exhaustive]
    Pattern {
        /// JSON pointer of the subschema that holds the pattern.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A reference leaves the document.
    #[error(
        "the reference `{reference}` at {at} leaves the schema, expected one that starts with `#`"
    )]
    #[non_exhaustive]
    RemoteReference {
        /// JSON pointer of the subschema that holds the reference.
        at: String,
        /// The reference, escaped and cut.
        reference: String,
    },
    /// The root of an input schema is not a plain object.
    #[error("the root of an input schema is refused: {problem}")]
    #[non_exhaustive]
    Root {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Checking one place of the arguments would cost too much.
    #[error("checking one place costs {cost} steps, at most {limit} are allowed")]
    #[non_exhaustive]
    TooCostly {
        /// Subschemas applied at one place, references followed.
        cost: u64,
        /// The most that are allowed.
        limit: u64,
    },
    /// The schema is nested too deeply, in itself or through its references.
    #[error("nested too deeply: more than {limit} {what}")]
    #[non_exhaustive]
    TooDeep {
        /// What is nested.
        what: &'static str,
        /// The most levels that are allowed.
        limit: usize,
    },
    /// The schema is too large.
    #[error("larger than {limit} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// The schema has too many parts of one kind.
    #[error("more than {limit} {what}")]
    #[non_exhaustive]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The most that are allowed.
        limit: usize,
    },
    /// A reference leads nowhere.
    #[error("the reference `{reference}` at {at} leads nowhere")]
    #[non_exhaustive]
    UnresolvedReference {
        /// JSON pointer of the subschema that holds the reference.
        at: String,
        /// The reference, escaped and cut.
        reference: String,
    },
}

impl SchemaError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cycle { .. } => "SCHEMA_CYCLE",
            Self::Dialect { .. } => "SCHEMA_DIALECT",
            Self::EmbeddedId { .. } => "SCHEMA_EMBEDDED_ID",
            Self::Invalid { .. } => "SCHEMA_INVALID",
            Self::Pattern { .. } => "SCHEMA_PATTERN",
            Self::RemoteReference { .. } => "SCHEMA_REMOTE_REFERENCE",
            Self::Root { .. } => "SCHEMA_ROOT",
            Self::TooCostly { .. } => "SCHEMA_TOO_COSTLY",
            Self::TooDeep { .. } => "SCHEMA_TOO_DEEP",
            Self::TooLarge { .. } => "SCHEMA_TOO_LARGE",
            Self::TooMany { .. } => "SCHEMA_TOO_MANY",
            Self::UnresolvedReference { .. } => "SCHEMA_UNRESOLVED_REFERENCE",
        }
    }

    /// Returns what the plugin's author can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Cycle { .. } => {
                "put `properties` or `items` between a schema and its reference to itself"
            }
            Self::Dialect { .. } => "write the schema in JSON Schema 2020-12 and drop `$schema`",
            Self::EmbeddedId { .. } => "move the subschema to `$defs` and drop its `$id`",
            Self::Invalid { .. } => "check the keyword against JSON Schema 2020-12",
            Self::Pattern { .. } => {
                "write a shorter pattern without look-around and back-references"
            }
            Self::RemoteReference { .. } => "copy the referenced schema into `$defs`",
            Self::Root { .. } => "wrap the input in an object with one property per alternative",
            Self::TooCostly { .. } => "use fewer alternatives, or put them behind `properties`",
            Self::TooDeep { .. } => "flatten the schema",
            Self::TooLarge { .. } | Self::TooMany { .. } => "split the tool into smaller ones",
            Self::UnresolvedReference { .. } => "define the referenced schema under `$defs`",
        }
    }
}
