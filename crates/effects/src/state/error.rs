//! Why a state effect was refused or failed.

use std::io;
use std::path::{Path, PathBuf};

use keyway_plugin_api::{PluginId, ToolError, ToolErrorKind};

/// Says why a state effect was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The key is malformed; the plugin can fix it.
    #[error("the key `{key}` is refused: {rule}")]
    #[non_exhaustive]
    BadKey {
        /// The key, printable.
        key: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// An export is not one, or a newer one.
    #[error("not a state export: {problem}")]
    #[non_exhaustive]
    BadExport {
        /// What is wrong with it.
        problem: String,
    },
    /// Another process uses this state.
    #[error("the state in {} is in use by another process", path.display())]
    #[non_exhaustive]
    Busy {
        /// The state's file.
        path: PathBuf,
    },
    /// The file was changed by something else; nothing was touched.
    #[error("the state in {} is damaged at byte {at}", path.display())]
    #[non_exhaustive]
    Damaged {
        /// The state's file.
        path: PathBuf,
        /// Where the first unreadable record begins.
        at: u64,
    },
    /// The operating system failed.
    #[error("{}: {source}", path.display())]
    #[non_exhaustive]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The plugin would keep more than it was granted.
    #[error("the state would grow to {needed} bytes, and {quota} are granted")]
    #[non_exhaustive]
    Quota {
        /// Bytes of keys and values after the change.
        needed: u64,
        /// Bytes that are granted.
        quota: u64,
    },
    /// The value is too large.
    #[error("a value has at most {limit} bytes")]
    #[non_exhaustive]
    ValueTooLarge {
        /// The most bytes.
        limit: usize,
    },
    /// The export is another plugin's.
    #[error("the export is of the plugin {found}, expected {expected}")]
    #[non_exhaustive]
    WrongPlugin {
        /// Whose it is.
        found: PluginId,
        /// Whose was expected.
        expected: PluginId,
    },
}

impl StateError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadKey { .. } => "BAD_STATE_KEY",
            Self::BadExport { .. } => "BAD_STATE_EXPORT",
            Self::Busy { .. } => "STATE_BUSY",
            Self::Damaged { .. } => "STATE_DAMAGED",
            Self::Io { .. } => "STATE_IO",
            Self::Quota { .. } => "STATE_QUOTA",
            Self::ValueTooLarge { .. } => "STATE_VALUE_TOO_LARGE",
            Self::WrongPlugin { .. } => "STATE_OF_ANOTHER_PLUGIN",
        }
    }

    /// Returns what an operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Busy { .. } => Some("stop the other host, or ask it"),
            Self::Damaged { .. } => Some("put a backup of the file in place, or discard the state"),
            Self::Quota { .. } => Some("grant the plugin a larger state quota"),
            _ => None,
        }
    }
}

impl From<StateError> for ToolError {
    fn from(error: StateError) -> Self {
        let (kind, message) = match &error {
            StateError::BadKey { .. } | StateError::ValueTooLarge { .. } => {
                (ToolErrorKind::InvalidArguments, error.to_string())
            }
            StateError::Quota { .. } => (ToolErrorKind::Denied, error.to_string()),
            // Where the host keeps its files is no business of a plugin.
            _ => (
                ToolErrorKind::Unavailable,
                "the state is not available now".to_owned(),
            ),
        };
        Self::new(kind, message).with_case(error.code())
    }
}
