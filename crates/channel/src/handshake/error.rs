//! Why a channel did not open.

use std::fmt;

use keyway_plugin_api::{IncompatibleApi, PluginId};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::message::RpcError;

/// How much of a first line that is no answer is shown.
const SHOWN_BYTES: usize = 200;

/// The line that a handshake waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the four lines of the protocol")]
pub enum Step {
    /// Line 1, of the host.
    Hello,
    /// Line 2, of the plugin.
    Answer,
    /// Line 3, of the plugin.
    Prove,
    /// Line 4, of the host.
    Ready,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hello => "hello",
            Self::Answer => "answer",
            Self::Prove => "prove",
            Self::Ready => "ready",
        })
    }
}

/// Says why two ends did not open a channel. Each is permanent: the same start fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// No plugin API version suits both ends.
    #[error(transparent)]
    ApiVersion(#[from] IncompatibleApi),
    /// The plugin chose a plugin API version that was not offered.
    #[error("the plugin chose plugin API {chosen}, which this host did not offer: rebuild it")]
    #[non_exhaustive]
    ApiNotOffered {
        /// What it chose.
        chosen: Version,
    },
    /// The peer does not hold the secret, or did not read the lines that this end sent and read.
    #[error("the {step} line is not signed with the key of this start")]
    #[non_exhaustive]
    BadMac {
        /// The line.
        step: Step,
    },
    /// The peer chose features or a proof that were not offered, or sent this end's nonce back.
    #[error("the peer's {what} is none that was offered")]
    #[non_exhaustive]
    Downgrade {
        /// What it chose.
        what: &'static str,
    },
    /// The plugin is not the one that the host meant to start.
    #[error("this is {found}, not {expected}: install the plugin that the catalog names")]
    #[non_exhaustive]
    IdentityMismatch {
        /// Whom the host meant, as `id version`.
        expected: String,
        /// Who answered.
        found: String,
    },
    /// No version of the protocol suits both ends.
    #[error("the host speaks keyway-ipc {offered:?}, the plugin {spoken:?}: upgrade the older one")]
    #[non_exhaustive]
    IpcVersion {
        /// Versions of the host.
        offered: Vec<u32>,
        /// Versions of the plugin.
        spoken: Vec<u32>,
    },
    /// A line is not the one that belongs here.
    #[error("the {step} line is not as the protocol has it: {problem}")]
    #[non_exhaustive]
    Malformed {
        /// The line.
        step: Step,
        /// What is wrong.
        problem: String,
    },
    /// What the program wrote first is no message at all.
    #[error("the program is no keyway plugin; it began with: {first}")]
    #[non_exhaustive]
    NotAPlugin {
        /// The first 200 bytes it wrote, escaped.
        first: String,
    },
    /// The peer ended the handshake in its own words.
    #[error("the plugin refused ({code}): {message}")]
    #[non_exhaustive]
    RefusedByPeer {
        /// The peer's code, escaped.
        code: String,
        /// The peer's words, escaped.
        message: String,
    },
    /// A line did not come in time. The caller that watches the clock says so.
    #[error("the {step} line did not come within {limit_ms} ms")]
    #[non_exhaustive]
    TimedOut {
        /// The line.
        step: Step,
        /// How long this end waited, in milliseconds.
        limit_ms: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct CodeData {
    code: String,
}

impl HandshakeError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ApiVersion(_) | Self::ApiNotOffered { .. } => "API_VERSION",
            Self::BadMac { .. } => "BAD_MAC",
            Self::Downgrade { .. } => "HANDSHAKE_DOWNGRADE",
            Self::IdentityMismatch { .. } => "IDENTITY_MISMATCH",
            Self::IpcVersion { .. } => "IPC_VERSION",
            Self::Malformed { .. } => "HANDSHAKE_MALFORMED",
            Self::NotAPlugin { .. } => "NOT_A_PLUGIN",
            Self::RefusedByPeer { .. } => "REFUSED_BY_PEER",
            Self::TimedOut { .. } => "HANDSHAKE_TIMEOUT",
        }
    }

    /// Makes the error of a line that did not come in time.
    #[must_use]
    pub fn timed_out(step: Step, limit_ms: u64) -> Self {
        Self::TimedOut { step, limit_ms }
    }

    /// Makes the error of a first line that is no message, with its beginning escaped.
    #[must_use]
    pub fn not_a_plugin(first: &[u8]) -> Self {
        let shown = &first[..first.len().min(SHOWN_BYTES)];
        let first = shown.escape_ascii().to_string();
        Self::NotAPlugin { first }
    }

    pub(super) fn malformed(step: Step, problem: impl Into<String>) -> Self {
        Self::Malformed {
            step,
            problem: problem.into(),
        }
    }

    pub(super) fn identity(expected: (&PluginId, &Version), found: (&PluginId, &Version)) -> Self {
        Self::IdentityMismatch {
            expected: format!("{} {}", expected.0, expected.1),
            found: format!("{} {}", found.0, found.1),
        }
    }

    /// Reads a peer's refusal.
    pub(super) fn of_peer(error: &RpcError) -> Self {
        let data = error.data().map_or("{}", |data| data.get());
        let data = serde_json::from_str::<CodeData>(data);
        let code = data.map_or_else(|_| error.code().to_string(), |data| data.code);
        Self::RefusedByPeer {
            code: escaped(&code),
            message: escaped(error.message()),
        }
    }

    /// Writes the error as the answer to a hello.
    pub(super) fn to_rpc(&self) -> RpcError {
        RpcError::coded(&self.code().to_ascii_lowercase(), self.to_string())
    }
}

/// A peer's text, cut and harmless on a terminal.
fn escaped(text: &str) -> String {
    let shown = text.as_bytes();
    let shown = &shown[..shown.len().min(SHOWN_BYTES)];
    shown.escape_ascii().to_string()
}
