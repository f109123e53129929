//! Errors on the wire, and what breaks the protocol.

use std::fmt;

use keyway_plugin_api::{ToolError, ToolErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::id::{HostRequestId, PluginRequestId};
use crate::UnknownAnswer;
use crate::frame::FrameError;

/// The JSON-RPC code of a failed tool, of a refused effect and of a plugin's own reason.
const FAILED: i64 = -32_000;

/// Says how a peer broke the protocol. Each of these ends the channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The bytes are no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer sent a line of the handshake after the handshake.
    #[error("the peer sent `{method}` a second time")]
    #[non_exhaustive]
    HandshakeAgain {
        /// The method.
        method: String,
    },
    /// The line is JSON and no JSON-RPC message of this direction.
    #[error("the message {problem}")]
    #[non_exhaustive]
    Invalid {
        /// What is wrong with it.
        problem: String,
    },
    /// The line is not JSON.
    #[error("the message is not JSON: {problem}")]
    #[non_exhaustive]
    Json {
        /// serde's explanation.
        problem: String,
    },
    /// The peer answered what nobody asked.
    #[error(transparent)]
    UnknownAnswer(#[from] UnknownAnswer),
}

impl ProtocolError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Frame(error) => error.code(),
            Self::HandshakeAgain { .. } => "HANDSHAKE_AGAIN",
            Self::Invalid { .. } => "MESSAGE_INVALID",
            Self::Json { .. } => "MESSAGE_NOT_JSON",
            Self::UnknownAnswer(error) => error.code(),
        }
    }
}

/// Says why a request was not even tried; the `code` in an error's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The peer finishes what it has and takes nothing new.
    Draining,
    /// What the peer would have to answer is longer than a message may be.
    FrameTooLarge,
    /// The parameters do not fit the method.
    InvalidParams,
    /// As many requests are under way as may be.
    Overloaded,
    /// The peer does not know the method.
    UnknownMethod,
}

impl Refusal {
    fn rpc_code(self) -> i64 {
        match self {
            Self::InvalidParams => -32_602,
            Self::UnknownMethod => -32_601,
            Self::Draining | Self::FrameTooLarge | Self::Overloaded => -32_600,
        }
    }

    fn kind(self) -> ToolErrorKind {
        match self {
            Self::Draining | Self::Overloaded => ToolErrorKind::Unavailable,
            Self::InvalidParams => ToolErrorKind::InvalidArguments,
            Self::FrameTooLarge | Self::UnknownMethod => ToolErrorKind::Internal,
        }
    }
}

/// An error as an answer carries it.
///
/// ```
/// use keyway_channel::message::{Refusal, RpcError};
/// use keyway_plugin_api::{ToolError, ToolErrorKind};
/// let error = RpcError::tool(&ToolError::new(ToolErrorKind::NotFound, "there is no note `x`"));
/// assert_eq!(error.to_tool_error().code(), "NOT_FOUND");
/// let busy = RpcError::refused(Refusal::Overloaded, "32 calls are under way");
/// assert_eq!(busy.refusal(), Some(Refusal::Overloaded));
/// assert_eq!(busy.to_tool_error().code(), "UNAVAILABLE");
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RpcError {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

#[derive(Serialize, Deserialize)]
struct CodeData {
    code: Refusal,
}

#[derive(Serialize, Deserialize)]
struct ReasonData {
    reason: String,
}

impl RpcError {
    /// Makes the error of a failed tool or of a refused effect.
    #[must_use]
    pub fn tool(error: &ToolError) -> Self {
        Self::with_data(FAILED, error.message.clone(), error)
    }

    /// Makes the error of a request that was not tried.
    #[must_use]
    pub fn refused(refusal: Refusal, message: impl Into<String>) -> Self {
        Self::with_data(
            refusal.rpc_code(),
            message.into(),
            &CodeData { code: refusal },
        )
    }

    /// Makes the error of a `register`, `start` or `migrate` that did not work, with the plugin's
    /// own words.
    #[must_use]
    pub fn reason(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::with_data(FAILED, reason.clone(), &ReasonData { reason })
    }

    /// Makes an error with a code of the handshake.
    pub(crate) fn coded(code: &str, message: String) -> Self {
        Self::with_data(FAILED, message, &serde_json::json!({ "code": code }))
    }

    fn with_data<T: Serialize>(code: i64, message: String, data: &T) -> Self {
        Self {
            code,
            message,
            data: to_raw_value(data).ok(),
        }
    }

    /// Returns the JSON-RPC code.
    #[must_use]
    pub fn code(&self) -> i64 {
        self.code
    }

    /// Returns the text for people; the peer wrote it.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the raw data.
    #[must_use]
    pub fn data(&self) -> Option<&RawValue> {
        self.data.as_deref()
    }

    /// Returns why the request was not tried, where that is what the error says.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.data_as::<CodeData>().map(|data| data.code)
    }

    /// Returns the plugin's words about a failed `register`, `start` or `migrate`.
    #[must_use]
    pub fn to_reason(&self) -> String {
        let data = self.data_as::<ReasonData>();
        data.map_or_else(|| self.message.clone(), |data| data.reason)
    }

    /// Returns the error as a tool's. What the peer left out becomes `Internal` with its message.
    #[must_use]
    pub fn to_tool_error(&self) -> ToolError {
        if let Some(error) = self.data_as::<ToolError>() {
            return error;
        }
        let kind = match (self.refusal(), self.code) {
            (Some(refusal), _) => refusal.kind(),
            (None, -32_602) => ToolErrorKind::InvalidArguments,
            _ => ToolErrorKind::Internal,
        };
        ToolError::new(kind, self.message.clone())
    }

    fn data_as<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.data.as_deref()?.get()).ok()
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}

impl From<HostRequestId> for u64 {
    fn from(id: HostRequestId) -> Self {
        id.0
    }
}

impl From<PluginRequestId> for u64 {
    fn from(id: PluginRequestId) -> Self {
        id.0
    }
}
