//! The legal moves as a table, for callers that hold the state as a value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::Authority;

/// Where a plugin stands. The order is the order of the happy path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LifecycleState {
    /// Its manifest was submitted.
    Discovered,
    /// Its manifest was checked.
    Validated,
    /// An operator has to look at it.
    PendingApproval,
    /// An operator said no; it may be approved later.
    Denied,
    /// An operator said yes.
    Approved,
    /// It is launched and its contributions are registered.
    Running,
    /// It was running and was stopped.
    Stopped,
    /// It did not start, or broke while running.
    Failed,
    /// It is ended for good.
    Revoked,
}

/// Says that no way leads from one state to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a plugin that is {from} cannot become {wanted}; expected one of: {}", listed(*from))]
#[non_exhaustive]
pub struct TransitionError {
    /// The state it is in, and stays in.
    pub from: LifecycleState,
    /// The state that was asked for.
    pub wanted: LifecycleState,
}

impl TransitionError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "ILLEGAL_TRANSITION"
    }
}

fn listed(from: LifecycleState) -> String {
    match from.next_states() {
        [] => "nothing, this is final".to_owned(),
        states => {
            let names: Vec<_> = states.iter().map(|state| state.as_str()).collect();
            names.join(", ")
        }
    }
}

impl LifecycleState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Discovered,
        Self::Validated,
        Self::PendingApproval,
        Self::Denied,
        Self::Approved,
        Self::Running,
        Self::Stopped,
        Self::Failed,
        Self::Revoked,
    ];

    /// Returns the states that a plugin can go to from here.
    #[must_use]
    pub fn next_states(self) -> &'static [Self] {
        match self {
            Self::Discovered => &[Self::Validated],
            Self::Validated => &[Self::PendingApproval],
            Self::PendingApproval => &[Self::Denied, Self::Approved, Self::Revoked],
            Self::Denied => &[Self::PendingApproval, Self::Approved, Self::Revoked],
            Self::Approved => &[
                Self::PendingApproval,
                Self::Denied,
                Self::Running,
                Self::Failed,
                Self::Revoked,
            ],
            Self::Running => &[Self::Stopped, Self::Failed, Self::Revoked],
            Self::Stopped | Self::Failed => &[
                Self::PendingApproval,
                Self::Denied,
                Self::Approved,
                Self::Running,
                Self::Revoked,
            ],
            Self::Revoked => &[],
        }
    }

    /// Moves to another state.
    ///
    /// # Errors
    /// [`TransitionError`] when no way leads there.
    pub fn advance(self, wanted: Self) -> Result<Self, TransitionError> {
        if self.next_states().contains(&wanted) {
            Ok(wanted)
        } else {
            Err(TransitionError { from: self, wanted })
        }
    }

    /// Returns the name as files and the CLI write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discovered => "discovered",
            Self::Validated => "validated",
            Self::PendingApproval => "pending_approval",
            Self::Denied => "denied",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for LifecycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the catalog knows, before anything runs.
impl From<Authority> for LifecycleState {
    fn from(authority: Authority) -> Self {
        match authority {
            Authority::Approved => Self::Approved,
            Authority::Denied => Self::Denied,
            Authority::PendingApproval => Self::PendingApproval,
            Authority::Revoked => Self::Revoked,
        }
    }
}
