//! The question about one effect of a running plugin, and the permit that answers it.

use keyway_plugin_api::{Capability, Denial, EffectRequest, PluginId};

use super::Holdings;
use crate::caller::Caller;
use crate::time::HostTime;

/// When a plugin asks for an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Moment {
    /// Outside any live call; only a grant that says background answers.
    Background,
    /// Inside a live call.
    Call,
    /// Before it runs: what it is handed when it is started.
    Start,
}

/// An effect ask is the question whether a running plugin may have one effect.
#[derive(Debug)]
pub struct EffectAsk<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) holdings: &'a Holdings,
    pub(crate) request: &'a EffectRequest,
    pub(crate) time: &'a HostTime,
    pub(crate) paid: &'a [String],
    pub(crate) moment: Moment,
}

impl<'a> EffectAsk<'a> {
    /// Returns on whose behalf the plugin acts.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Returns what the plugin holds now.
    #[must_use]
    pub fn holdings(&self) -> &'a Holdings {
        self.holdings
    }

    /// Returns what the plugin asks for.
    #[must_use]
    pub fn request(&self) -> &'a EffectRequest {
        self.request
    }

    /// Returns when the plugin asks.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// Returns the time in Unix milliseconds; it never runs backwards. Reads the clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.time.now_ms()
    }

    /// Tells whether the call in which the plugin asks has spent a use of the grant with this tag:
    /// one use is one call, whatever the call does with it.
    #[must_use]
    pub fn has_paid(&self, tag: &str) -> bool {
        self.paid.iter().any(|paid| paid == tag)
    }

    /// Answers yes, within these capabilities.
    pub fn permit(self, within: Vec<Capability>) -> EffectVerdict {
        self.permit_spending(within, Vec::new())
    }

    /// Answers yes, within these capabilities, spending one use of each grant with these tags.
    pub fn permit_spending(self, within: Vec<Capability>, spends: Vec<String>) -> EffectVerdict {
        EffectVerdict(EffectJudgement::Permitted(EffectPermit {
            plugin: self.holdings.plugin().clone(),
            within,
            spends,
        }))
    }

    /// Answers no.
    pub fn deny(self, denial: Denial) -> EffectVerdict {
        EffectVerdict(EffectJudgement::Denied(Box::new(denial)))
    }
}

/// A gate's answer to an [`EffectAsk`].
#[derive(Debug)]
#[must_use]
pub struct EffectVerdict(pub(crate) EffectJudgement);

#[derive(Debug)]
pub(crate) enum EffectJudgement {
    Permitted(EffectPermit),
    Denied(Box<Denial>),
}

impl EffectVerdict {
    /// Returns the denial, where the answer is no.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match &self.0 {
            EffectJudgement::Denied(denial) => Some(denial),
            EffectJudgement::Permitted(_) => None,
        }
    }
}

/// An effect permit is the gate's yes to one effect: whose, and within which capabilities.
///
/// An [`EffectPerformer`](crate::effects::EffectPerformer) gets it by value; nothing else does.
#[derive(Debug)]
#[must_use]
pub struct EffectPermit {
    plugin: PluginId,
    within: Vec<Capability>,
    pub(crate) spends: Vec<String>,
}

impl EffectPermit {
    /// Returns the plugin that the effect is for.
    #[must_use]
    pub fn plugin(&self) -> &PluginId {
        &self.plugin
    }

    /// Returns the granted capabilities that the effect must stay within.
    #[must_use]
    pub fn within(&self) -> &[Capability] {
        &self.within
    }

    /// Keeps of the hosts only those that another plugin's permit has too: a redirect must not end
    /// where somebody on whose behalf the plugin acts may not go.
    pub(crate) fn narrowed_by(mut self, other: &Self) -> Self {
        let is_network = |capability: &Capability| capability.family() == "network";
        let (hosts, mut within): (Vec<_>, Vec<_>) = self.within.into_iter().partition(is_network);
        for theirs in other.within.iter().filter(|c| is_network(c)) {
            within.extend(hosts.iter().filter_map(|own| own.intersect(theirs)));
        }
        self.within = within;
        self
    }
}
