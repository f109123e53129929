//! The question about one effect of a running plugin, and the permit that answers it.

use keyway_plugin_api::{Capability, Denial, EffectRequest, PluginId};

use super::Holdings;
use crate::caller::Caller;
use crate::time::HostTime;

/// An effect ask is the question whether a running plugin may have one effect.
#[derive(Debug)]
pub struct EffectAsk<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) holdings: &'a Holdings,
    pub(crate) request: &'a EffectRequest,
    pub(crate) time: &'a HostTime,
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

    /// Returns the time in Unix milliseconds; it never runs backwards. Reads the clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.time.now_ms()
    }

    /// Answers yes, within these capabilities.
    pub fn permit(self, within: Vec<Capability>) -> EffectVerdict {
        let plugin = self.holdings.plugin().clone();
        EffectVerdict(EffectJudgement::Permitted(EffectPermit { plugin, within }))
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
}
