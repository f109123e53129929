//! Why a plugin's process does not serve.

use std::io;

use keyway_channel::handshake::HandshakeError;
use keyway_channel::message::ProtocolError;
use keyway_host::runtime::{Enforcement, StartError};
use keyway_plugin_api::RegisterError;
use keyway_sandbox::{EnvironmentError, SpawnError};

use crate::program::ProgramError;

/// Lines of what a process wrote that go into one sentence.
const LINES_SAID: usize = 4;

/// Says why a plugin's process did not come to serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// It registers other tools or hooks than before. Somebody has to look at it.
    #[error("it registers other contributions than those that were approved: {}; reload the plugin", changed.join("; "))]
    #[non_exhaustive]
    Drift {
        /// What differs, a line each.
        changed: Vec<String>,
    },
    /// A secret cannot be in its environment under that name.
    #[error("its environment cannot be made: {0}")]
    Environment(#[from] EnvironmentError),
    /// It ended before it served.
    #[error("it {how} before it served{}", tail(last_lines))]
    #[non_exhaustive]
    Exited {
        /// How it ended.
        how: String,
        /// The last lines it wrote, escaped.
        last_lines: Vec<String>,
    },
    /// It did not prove that it is the plugin that the host started.
    #[error("{error}{}", tail(last_lines))]
    #[non_exhaustive]
    Handshake {
        /// What is wrong.
        error: HandshakeError,
        /// The last lines it wrote, escaped.
        last_lines: Vec<String>,
    },
    /// The operating system refused something that the host needs.
    #[error("{what} failed: {source}")]
    #[non_exhaustive]
    Host {
        /// What was tried.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// What would run is not what was approved, or must not run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// It broke the protocol.
    #[error("it broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// It registered what its manifest does not declare.
    #[error("register failed: {0}")]
    Register(#[from] RegisterError),
    /// Its own `register`, `start` or `migrate` failed.
    #[error("{stage} failed: {reason}")]
    #[non_exhaustive]
    Refused {
        /// Where: `register`, `start` or `migrate`.
        stage: &'static str,
        /// The plugin's words.
        reason: String,
    },
    /// It could not be confined, or not be started.
    #[error("it was not started: {0}")]
    Sandbox(#[from] SpawnError),
    /// It took longer than the limit.
    #[error("{stage} took longer than {limit_ms} ms")]
    #[non_exhaustive]
    TimedOut {
        /// Where: `register`, `start` or `migrate`.
        stage: &'static str,
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// This machine cannot hold it as firmly as the policy requires.
    #[error("the policy wants it {wanted}, and this machine reaches {reached}: {}", missing.join("; "))]
    #[non_exhaustive]
    TooWeak {
        /// What the policy requires.
        wanted: Enforcement,
        /// What would be reached.
        reached: Enforcement,
        /// What is missing, in words.
        missing: Vec<String>,
    },
    /// It broke the protocol after the handshake.
    #[error("it broke the protocol: {problem}")]
    #[non_exhaustive]
    Violation {
        /// The stable code.
        code: &'static str,
        /// What it did.
        problem: String,
    },
}

/// What the process said last, for the end of a message. The line that names an error says more than
/// what comes after it: Node ends with its version, Rust with advice.
/// Says the last error that a process wrote, or its last words, and where it was: the lines before.
fn tail(lines: &[String]) -> String {
    let is_named = |line: &String| line.contains("Error") || line.contains("error:");
    let end = lines
        .iter()
        .rposition(is_named)
        .map_or(lines.len(), |last| last + 1);
    let said = lines.get(..end).unwrap_or_default().iter();
    let mut said: Vec<_> = said
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .collect();
    match said.split_off(said.len().saturating_sub(LINES_SAID)) {
        said if said.is_empty() => String::new(),
        said => format!("; it wrote: {}", said.join(" | ")),
    }
}

impl ProcessError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Drift { .. } => "TOOL_DRIFT",
            Self::Environment(error) => error.code(),
            Self::Exited { .. } => "PLUGIN_EXITED",
            Self::Handshake { error, .. } => error.code(),
            Self::Host { .. } => "HOST_REFUSED",
            Self::Program(error) => error.code(),
            Self::Protocol(error) => error.code(),
            Self::Register(error) => error.code(),
            Self::Refused { .. } => "START_FAILED",
            Self::Sandbox(error) => error.code(),
            Self::TimedOut { .. } => "START_TIMED_OUT",
            Self::TooWeak { .. } => "ENFORCEMENT_TOO_WEAK",
            Self::Violation { code, .. } => code,
        }
    }

    /// Tells whether the same start fails again, so that it is not tried again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Drift { .. }
            | Self::Environment(_)
            | Self::Program(_)
            | Self::Protocol(_)
            | Self::Register(_)
            | Self::TooWeak { .. }
            | Self::Violation { .. } => true,
            // A machine under load can be late; a wrong proof is wrong.
            Self::Handshake { error, .. } => !matches!(error, HandshakeError::TimedOut { .. }),
            Self::Sandbox(error) => matches!(error, SpawnError::TooWeak { .. }),
            Self::Exited { .. }
            | Self::Host { .. }
            | Self::Refused { .. }
            | Self::TimedOut { .. } => false,
        }
    }

    pub(crate) fn host(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Host { what, source }
    }

    fn stage(&self) -> &'static str {
        match self {
            Self::Environment(_)
            | Self::Host { .. }
            | Self::Program(_)
            | Self::Sandbox(_)
            | Self::TooWeak { .. } => "spawn",
            Self::Drift { .. } | Self::Register(_) => "register",
            Self::Refused { stage, .. } | Self::TimedOut { stage, .. } => stage,
            Self::Exited { .. }
            | Self::Handshake { .. }
            | Self::Protocol(_)
            | Self::Violation { .. } => "handshake",
        }
    }
}

impl From<ProcessError> for StartError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Register(error) => Self::Register(error),
            ProcessError::Refused {
                stage: "register",
                reason,
            } => Self::Register(RegisterError::Failed(reason)),
            ProcessError::Refused { reason, .. } => Self::Failed { reason },
            ProcessError::TimedOut { stage, limit_ms } => Self::TimedOut { stage, limit_ms },
            other => Self::Process {
                code: other.code(),
                stage: other.stage(),
                problem: other.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_with_the_place_where_it_was() {
        let python = r#"  File "/p/plugin.py", line 3
    def go(:
           ^
SyntaxError: invalid syntax"#;
        let node = "file:///p/plugin.mjs:2\nlet = ;\n    ^\n\nSyntaxError: Unexpected token ';'\n    at m\n\nNode.js v20";
        for (written, said) in [
            (
                python,
                r#"; it wrote: File "/p/plugin.py", line 3 | def go(: | ^ | SyntaxError: invalid syntax"#,
            ),
            (
                node,
                "; it wrote: file:///p/plugin.mjs:2 | let = ; | ^ | SyntaxError: Unexpected token ';'",
            ),
            ("a\nb\nc\nd\ne\n", "; it wrote: b | c | d | e"),
            ("", ""),
            ("\n", ""),
        ] {
            let lines: Vec<_> = written.lines().map(str::to_owned).collect();
            assert_eq!(tail(&lines), said);
        }
    }
}
