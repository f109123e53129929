//! What a tool says about itself: names, schemas, effect, needs, error cases.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Need, ToolName};

/// How a tool changes the world, mildest first. The order is meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "four words that people choose from; more would blur"
)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Adds or replaces, and what was there can be had again.
    Write,
    /// Removes or overwrites for good.
    Destructive,
    /// Runs code or commands whose effect the host cannot know.
    Execute,
}

/// One way a tool can fail, published so that a model and a program can plan for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorCase {
    /// Stable name of the case.
    pub name: String,
    /// Which kind of failure it is.
    pub kind: crate::ToolErrorKind,
    /// Whether trying again can help.
    pub retryable: bool,
    /// What happened, for the reader.
    pub doc: String,
}

impl ErrorCase {
    /// Makes a case.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        kind: crate::ToolErrorKind,
        retryable: bool,
        doc: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            retryable,
            doc: doc.into(),
        }
    }
}

/// A descriptor is the static, machine-readable description of one tool.
///
/// The derive makes it; the host checks it again at registration, pins its digest at approval
/// and never lets a changed one run under an old grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ToolDescriptor {
    /// The tool's name inside its plugin.
    pub name: ToolName,
    /// A short name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When and how to use the tool; a model reads it.
    pub description: String,
    /// JSON Schema (2020-12) of the arguments; its root is a plain object.
    pub input_schema: Value,
    /// JSON Schema of the structured result, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// How the tool changes the world.
    pub effect: Effect,
    /// Whether calling twice with the same arguments does no more than calling once.
    #[serde(default)]
    pub idempotent: bool,
    /// What the tool needs from its host, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// How the tool can fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorCase>,
    /// What the tool's source says beyond all this, as it came: hints, icons, notes. Part of the
    /// digest, so a change of it is a change of the tool; shown to operators and to no model.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// Whether the tool's own parser accepts exactly what the input schema accepts and its result
    /// type gives nothing but what the output schema accepts, so that the host needs its validator
    /// only to explain a refusal. Set by the derive, never by the wire.
    #[serde(skip)]
    pub typed: bool,
}

impl ToolDescriptor {
    /// Makes a descriptor with no output schema, no needs and no error cases.
    #[must_use]
    pub fn new(
        name: ToolName,
        description: impl Into<String>,
        effect: Effect,
        input_schema: Value,
    ) -> Self {
        Self {
            name,
            title: None,
            description: description.into(),
            input_schema,
            output_schema: None,
            effect,
            idempotent: false,
            needs: Vec::new(),
            errors: Vec::new(),
            extra: Map::new(),
            typed: false,
        }
    }

    /// Adds a title for people.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Adds the schema of the structured result.
    #[must_use]
    pub fn with_output_schema(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }

    /// Says that a repeated call does no more than the first.
    #[must_use]
    pub fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Sets what the tool needs from its host; sorts and removes repetitions.
    #[must_use]
    pub fn with_needs(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        self.needs = needs.into_iter().collect();
        self.needs.sort();
        self.needs.dedup();
        self
    }

    /// Sets how the tool can fail.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<ErrorCase>) -> Self {
        self.errors = errors;
        self
    }

    /// Sets what the tool's source says beyond the rest.
    #[must_use]
    pub fn with_extra(mut self, extra: Map<String, Value>) -> Self {
        self.extra = extra;
        self
    }

    /// Says that the tool's parser and its schema agree on every input.
    #[doc(hidden)]
    #[must_use]
    pub fn with_typed(mut self, typed: bool) -> Self {
        self.typed = typed;
        self
    }

    /// Tells whether the tool reaches beyond this machine and its host.
    #[must_use]
    pub fn is_open_world(&self) -> bool {
        self.needs.iter().any(Need::is_open_world)
    }
}
