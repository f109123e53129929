//! The tool trait, its arguments, its output and its typed errors.

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::numbers::respell_integral_floats;
use crate::{CallCx, Denial, ToolDescriptor};

/// Something that can be called by name with JSON arguments.
///
/// Authors rarely write this by hand: `#[tool]` on a function does. Hosts call it from exactly
/// one place, with a permit in hand.
///
/// Contract: `descriptor` is cheap and always returns the same value; `call` may run
/// concurrently with itself, stops soon after [`CallCx::is_cancelled`] turns true, and does not
/// panic on any argument.
///
/// ```
/// use keyway_plugin_api::{
///     Arguments, CallCx, Effect, Tool, ToolDescriptor, ToolError, ToolName, ToolOutput,
///     async_trait,
/// };
/// struct Ping(ToolDescriptor);
/// #[async_trait]
/// impl Tool for Ping {
///     fn descriptor(&self) -> &ToolDescriptor { &self.0 }
///     async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
///         Ok(ToolOutput::text("pong"))
///     }
/// }
/// ```
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    /// Returns the tool's description of itself.
    fn descriptor(&self) -> &ToolDescriptor;

    /// Runs the tool.
    ///
    /// # Errors
    /// [`ToolError`], whose kind says whose fault it is.
    async fn call(&self, arguments: Arguments<'_>, cx: &CallCx) -> Result<ToolOutput, ToolError>;
}

/// The arguments of one call, as JSON text whose size and depth the host has checked.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a>(&'a str);

impl<'a> Arguments<'a> {
    /// Wraps JSON text.
    #[must_use]
    pub fn new(json: &'a str) -> Self {
        Self(json)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Parses the arguments into a type.
    ///
    /// A number such as `1.0` is an integer to JSON Schema and so it is here.
    ///
    /// # Errors
    /// A [`ToolError`] of kind [`ToolErrorKind::InvalidArguments`] with serde's explanation.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ToolError> {
        serde_json::from_str(self.0).or_else(|refusal| {
            respell_integral_floats(self.0)
                .and_then(|json| serde_json::from_str(&json).ok())
                .ok_or_else(|| ToolError::invalid_arguments(refusal.to_string()))
        })
    }
}

/// What a call gave back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ToolOutput {
    /// Several parts, for a model that reads images or links.
    Content(Vec<Content>),
    /// Nothing to say; it worked.
    Empty,
    /// One JSON value that keeps to the output schema.
    Json(Box<RawValue>),
    /// Plain text.
    Text(String),
}

/// One part of a mixed output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Sound.
    Audio {
        /// Base64 of the bytes.
        data: String,
        /// Its media type, for example `audio/wav`.
        #[serde(rename = "mimeType")]
        mime_type: String,
    },
    /// A picture.
    Image {
        /// Base64 of the bytes.
        data: String,
        /// Its media type, for example `image/png`.
        #[serde(rename = "mimeType")]
        mime_type: String,
    },
    /// A resource, whole, in the shape that MCP gives it (`uri`, `mimeType`, `text` or `blob`).
    Resource {
        /// The resource.
        resource: Value,
    },
    /// The address of a resource that the caller can read.
    ResourceLink {
        /// Where it is.
        uri: String,
        /// Its name.
        name: String,
        /// Its media type, where it is known.
        #[serde(rename = "mimeType", default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
    },
    /// Text.
    Text {
        /// The text.
        text: String,
    },
}

impl ToolOutput {
    /// Makes a text output.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a JSON output.
    ///
    /// # Errors
    /// A [`ToolError`] of kind [`ToolErrorKind::Internal`] when the value cannot be JSON (a map
    /// whose keys are not text, for example).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, ToolError> {
        serde_json::value::to_raw_value(value)
            .map(Self::Json)
            .map_err(|e| ToolError::internal(format!("the result is not JSON: {e}")))
    }

    /// Returns the output as one JSON value: text becomes a string, nothing becomes `null`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Content(parts) => serde_json::to_value(parts).unwrap_or_default(),
            Self::Empty => Value::Null,
            Self::Json(raw) => serde_json::from_str(raw.get()).unwrap_or_default(),
            Self::Text(text) => Value::String(text.clone()),
        }
    }
}

/// Whose fault a failed call is and what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolErrorKind {
    /// The caller stopped waiting.
    Cancelled,
    /// What the call wanted is at odds with what is there.
    Conflict,
    /// The call took longer than it was given.
    DeadlineExceeded,
    /// The gate said no to something the tool asked for.
    Denied,
    /// The tool failed for a reason of its own.
    Internal,
    /// The arguments are wrong; the same call will fail again.
    InvalidArguments,
    /// What the call names does not exist.
    NotFound,
    /// The plugin behind the tool is gone.
    PluginGone,
    /// The plugin was revoked.
    Revoked,
    /// Something outside is not reachable now; trying later can help.
    Unavailable,
}

impl ToolErrorKind {
    /// Returns the stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Conflict => "CONFLICT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Denied => "DENIED",
            Self::Internal => "TOOL_FAILED",
            Self::InvalidArguments => "INVALID_ARGUMENTS",
            Self::NotFound => "NOT_FOUND",
            Self::PluginGone => "PLUGIN_GONE",
            Self::Revoked => "REVOKED",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// Tells whether trying the same call again can help.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::DeadlineExceeded | Self::PluginGone | Self::Unavailable
        )
    }
}

/// A failed call, for the model that made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
#[non_exhaustive]
pub struct ToolError {
    /// Whose fault it is.
    pub kind: ToolErrorKind,
    /// What happened, in words a model can act on; no secrets.
    pub message: String,
    /// The published case, where the tool names its cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// The gate's no, where that is what stopped the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Box<Denial>>,
}

impl ToolError {
    /// Makes an error of a kind.
    #[must_use]
    pub fn new(kind: ToolErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            case: None,
            denial: None,
        }
    }

    /// Makes an error about wrong arguments.
    #[must_use]
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::InvalidArguments, message)
    }

    /// Makes an error that is the tool's own.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Internal, message)
    }

    /// Names the published case.
    #[must_use]
    pub fn with_case(mut self, case: impl Into<String>) -> Self {
        self.case = Some(case.into());
        self
    }

    /// Returns the stable code of the kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}

impl From<Denial> for ToolError {
    fn from(denial: Denial) -> Self {
        let kind = match denial.reason {
            crate::DenialReason::Revoked => ToolErrorKind::Revoked,
            _ => ToolErrorKind::Denied,
        };
        Self {
            kind,
            message: denial.to_string(),
            case: None,
            denial: Some(Box::new(denial)),
        }
    }
}
