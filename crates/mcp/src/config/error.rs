//! Why a server's configuration was refused.

use keyway_plugin_api::NameError;

/// Says why a configuration was refused. Whoever wrote it is at fault; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is not one that is reached.
    #[error("address `{url}` is refused: {rule}")]
    Address {
        /// The address, escaped and cut.
        url: String,
        /// The rule it broke.
        rule: &'static str,
    },
    /// The command or its arguments would run something other than what they show.
    #[error("command `{command}` is refused: {rule}")]
    Command {
        /// The command, escaped and cut.
        command: String,
        /// The rule it broke.
        rule: String,
    },
    /// An environment variable is refused.
    #[error("environment variable `{name}` is refused: {rule}")]
    Environment {
        /// The variable, escaped and cut.
        name: String,
        /// The rule it broke.
        rule: &'static str,
    },
    /// A header is refused.
    #[error("header `{name}` is refused: {rule}")]
    Header {
        /// The header, escaped and cut.
        name: String,
        /// The rule it broke.
        rule: &'static str,
    },
    /// The name is not one that a plugin can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A placeholder cannot be filled.
    #[error("`{placeholder}` has no value here")]
    Placeholder {
        /// The placeholder, escaped and cut.
        placeholder: String,
    },
    /// The configuration has not the shape that it must have.
    #[error("{at}: {problem}")]
    Shape {
        /// Where.
        at: String,
        /// What is wrong.
        problem: String,
    },
}

impl ConfigError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "MCP_ADDRESS",
            Self::Command { .. } => "MCP_COMMAND",
            Self::Environment { .. } => "MCP_ENVIRONMENT",
            Self::Header { .. } => "MCP_HEADER",
            Self::Name(error) => error.code(),
            Self::Placeholder { .. } => "MCP_PLACEHOLDER",
            Self::Shape { .. } => "MCP_CONFIG",
        }
    }

    pub(super) fn address(url: &str, rule: &'static str) -> Self {
        Self::Address {
            url: shown(url),
            rule,
        }
    }

    pub(super) fn command(command: &str, rule: impl Into<String>) -> Self {
        Self::Command {
            command: shown(command),
            rule: rule.into(),
        }
    }

    pub(super) fn environment(name: &str, rule: &'static str) -> Self {
        Self::Environment {
            name: shown(name),
            rule,
        }
    }

    pub(super) fn header(name: &str, rule: &'static str) -> Self {
        Self::Header {
            name: shown(name),
            rule,
        }
    }

    pub(crate) fn shape(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Shape {
            at: at.into(),
            problem: problem.into(),
        }
    }
}

pub(super) fn shown(text: &str) -> String {
    keyway_host::text::excerpt(text).into_owned()
}
