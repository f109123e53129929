//! Where a plugin applies: organisation ⊃ team ⊃ agent.

use std::fmt;
use std::str::FromStr;

use keyway_plugin_api::{AgentId, NameError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A scope, written `*`, `org`, `org/team` or `org/team/agent`.
///
/// A caller stands at a scope too; a plugin of scope S is visible to a caller at C when
/// S contains C, and does not exist for any other caller (settlement 25).
///
/// ```
/// use keyway_host::scope::Scope;
/// let team: Scope = "acme/support".parse()?;
/// let agent: Scope = "acme/support/triage".parse()?;
/// assert!(team.contains(&agent) && !agent.contains(&team));
/// assert!(Scope::everywhere().contains(&team));
/// # Ok::<(), keyway_plugin_api::NameError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    parts: Vec<AgentId>,
}

impl Scope {
    /// Returns the scope that contains every other.
    #[must_use]
    pub fn everywhere() -> Self {
        Self::default()
    }

    /// Returns the scope of an organisation.
    #[must_use]
    pub fn organisation(organisation: AgentId) -> Self {
        Self {
            parts: vec![organisation],
        }
    }

    /// Returns the scope of a team.
    #[must_use]
    pub fn team(organisation: AgentId, team: AgentId) -> Self {
        Self {
            parts: vec![organisation, team],
        }
    }

    /// Returns the scope of one agent.
    #[must_use]
    pub fn agent(organisation: AgentId, team: AgentId, agent: AgentId) -> Self {
        Self {
            parts: vec![organisation, team, agent],
        }
    }

    /// Tells whether everything at `other` is also at `self`.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.parts.starts_with(&self.parts)
    }

    /// Returns the last part: the agent's name, else the team's, else the organisation's.
    #[must_use]
    pub fn last(&self) -> Option<&AgentId> {
        self.parts.last()
    }

    /// Tells whether this is the scope that contains every other.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.parts.is_empty()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("*");
        }
        for (i, part) in self.parts.iter().enumerate() {
            let slash = if i == 0 { "" } else { "/" };
            write!(f, "{slash}{part}")?;
        }
        Ok(())
    }
}

impl FromStr for Scope {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "*" {
            return Ok(Self::everywhere());
        }
        let mut pieces = text.splitn(3, '/');
        let parts = pieces
            .by_ref()
            .map(AgentId::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
