//! The human who approves, grants and revokes.

use std::fmt;

use keyway_plugin_api::{AgentId, NameError};
use serde::{Deserialize, Serialize};

/// Names an operator. No agent can make the host act as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperatorId(AgentId);

impl OperatorId {
    /// Parses an operator's name; the alphabet is that of agent ids.
    ///
    /// # Errors
    /// [`NameError`] with the broken rule.
    pub fn parse(input: &str) -> Result<Self, NameError> {
        AgentId::parse(input).map(Self)
    }

    /// Returns the name under which a host records decisions of its own approver.
    #[must_use]
    pub fn host() -> Self {
        Self(AgentId::from_static("host"))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
