//! Rules that decide without the operator; the default asks before anything that cannot be undone.

use keyway_plugin_api::Effect;

use crate::caller::Origin;
use crate::rank::Trust;
use crate::runtime::Enforcement;

/// What a policy says about a class of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "yes, ask, no: the three answers there are"
)]
pub enum PolicyVerdict {
    /// The grants decide.
    Allow,
    /// An operator decides on each call.
    Ask,
    /// Nobody may.
    Forbid,
}

/// A policy maps the effect of a tool and the origin of a call to a verdict, and a trust tier to
/// the least enforcement it must run under.
///
/// ```
/// use keyway_host::caller::Origin;
/// use keyway_host::gate::{Policy, PolicyVerdict};
/// use keyway_plugin_api::Effect;
/// let policy = Policy::standard().with(Effect::Write, PolicyVerdict::Ask);
/// assert_eq!(policy.verdict(Effect::Write, &Origin::Model), PolicyVerdict::Ask);
/// assert_eq!(policy.verdict(Effect::Read, &Origin::Model), PolicyVerdict::Allow);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    effects: [PolicyVerdict; 4],
    minimum: [Enforcement; 3],
}

impl Policy {
    /// Reads and writes follow the grants; destructive and executing calls ask each time
    /// (settlement 16); community plugins that run code must be enforced (settlement 27).
    #[must_use]
    pub fn standard() -> Self {
        use PolicyVerdict::{Allow, Ask};
        Self {
            effects: [Allow, Allow, Ask, Ask],
            minimum: [
                Enforcement::Enforced,
                Enforcement::Declared,
                Enforcement::Declared,
            ],
        }
    }

    /// Only reads follow the grants; everything else asks.
    #[must_use]
    pub fn strict() -> Self {
        Self::standard().with(Effect::Write, PolicyVerdict::Ask)
    }

    /// Sets the verdict for an effect.
    #[must_use]
    pub fn with(mut self, effect: Effect, verdict: PolicyVerdict) -> Self {
        self.effects[effect as usize] = verdict;
        self
    }

    /// Sets the least enforcement for a trust tier.
    #[must_use]
    pub fn with_minimum(mut self, trust: Trust, enforcement: Enforcement) -> Self {
        self.minimum[trust as usize] = enforcement;
        self
    }

    /// Returns the verdict for a call. An operator's own call is never asked about twice.
    #[must_use]
    pub fn verdict(&self, effect: Effect, origin: &Origin) -> PolicyVerdict {
        match (self.effects[effect as usize], origin) {
            (PolicyVerdict::Ask, Origin::Operator) => PolicyVerdict::Allow,
            (verdict, _) => verdict,
        }
    }

    /// Returns the least enforcement that a plugin of this trust must run under.
    #[must_use]
    pub fn minimum(&self, trust: Trust) -> Enforcement {
        self.minimum[trust as usize]
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::standard()
    }
}
