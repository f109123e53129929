//! Why a run ended early, with the next step.

use std::fmt;

use keyway_host::BuildError;
use keyway_host::audit::AuditError;

use crate::agent::AgentError;
use crate::model::ModelError;

/// A reason to stop and what the person at the terminal can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    problem: String,
    next: Vec<String>,
}

impl Stop {
    /// Makes a reason.
    pub(crate) fn new(problem: impl Into<String>, next: impl Into<Vec<String>>) -> Self {
        let (problem, next) = (problem.into(), next.into());
        Self { problem, next }
    }

    /// Makes a reason for what cannot happen.
    pub(crate) fn bug(error: &impl fmt::Display) -> Self {
        Self::new(
            format!("bug in quickstart: {error}"),
            ["please report it".to_owned()],
        )
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        self.next
            .iter()
            .try_for_each(|step| write!(f, "\n  next: {step}"))
    }
}

impl From<AgentError> for Stop {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Model(error) => error.into(),
            AgentError::TooManyTurns => {
                let next = "set a smaller task with QUICKSTART_TASK, or another OPENAI_MODEL";
                Self::new(error.to_string(), [next.to_owned()])
            }
        }
    }
}

impl From<AuditError> for Stop {
    fn from(error: AuditError) -> Self {
        let next: Vec<String> = error.hints().iter().map(ToString::to_string).collect();
        Self::new(error.to_string(), next)
    }
}

impl From<BuildError> for Stop {
    fn from(error: BuildError) -> Self {
        Self::new(error.to_string(), error.hints())
    }
}

impl From<ModelError> for Stop {
    fn from(error: ModelError) -> Self {
        Self::new(error.to_string(), [error.hint().to_owned()])
    }
}
