//! What one plugin holds right now, swapped as a whole when anything about it changes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use keyway_plugin_api::{Capability, CapabilityRequest, PluginId};

use crate::caller::Caller;
use crate::catalog::{Grant, ToolRule, shows_optional};
use crate::digest::Digest;
use crate::rank::Trust;
use crate::registry::ToolEntry;
use crate::scope::Scope;

/// Whether a plugin may be reached at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// It runs what was approved.
    Running,
    /// It failed while it ran, and may come back by itself.
    Down,
    /// It is installed and does not run.
    Stopped,
    /// It is never to run again.
    Revoked,
}

/// What one plugin holds right now: standing, scope, requests, grants, all for one digest.
#[derive(Debug, Clone)]
pub struct Holdings {
    serial: u64,
    pub(crate) plugin: PluginId,
    pub(crate) trust: Trust,
    pub(crate) standing: Standing,
    pub(crate) definition: Digest,
    pub(crate) scope: Scope,
    pub(crate) requests: Vec<CapabilityRequest>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) rules: Arc<[ToolRule]>,
    pub(crate) is_builtin: bool,
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

impl Holdings {
    /// Makes what a plugin holds that does not run.
    #[must_use]
    pub(crate) fn none(plugin: PluginId, trust: Trust, definition: Digest) -> Self {
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            plugin,
            trust,
            standing: Standing::Stopped,
            definition,
            scope: Scope::everywhere(),
            requests: Vec::new(),
            grants: Vec::new(),
            rules: Arc::new([]),
            is_builtin: false,
        }
    }

    /// Tells whether two values hold the same, whatever their serial.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.trust == other.trust
            && self.standing == other.standing
            && self.definition == other.definition
            && self.scope == other.scope
            && self.requests == other.requests
            && self.grants == other.grants
            && self.rules == other.rules
    }

    /// Returns a number that no other value has; equal numbers mean equal content.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns the plugin.
    #[must_use]
    pub fn plugin(&self) -> &PluginId {
        &self.plugin
    }

    /// Returns how far the plugin's source is believed.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Returns whether the plugin may be reached at all.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Returns the digest of the definition that runs.
    #[must_use]
    pub fn definition(&self) -> Digest {
        self.definition
    }

    /// Returns where the plugin applies.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns what the manifest asks for.
    #[must_use]
    pub fn requests(&self) -> &[CapabilityRequest] {
        &self.requests
    }

    /// Returns what operators granted, live or not.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Returns the tags of what was granted in a family.
    #[must_use]
    pub fn granted_tags(&self, family: &str) -> Vec<String> {
        let of_family = |c: &&Capability| c.family() == family;
        let tags = self.grants.iter().map(|g| &g.capability).filter(of_family);
        tags.flat_map(Capability::tags).collect()
    }

    /// Tells whether a rule shows an optional tool to a caller; a rule that hides wins (R3).
    #[must_use]
    pub fn allows_optional(&self, tool: &ToolEntry, caller: &Caller) -> bool {
        shows_optional(&self.rules, tool.id(), tool.groups(), caller.scope())
    }

    /// Tells whether this is the host itself, which needs no grants.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.is_builtin
    }
}

/// The cell with what a plugin holds now; every tool of the plugin shares it.
///
/// Storing is what makes a revocation synchronous: a call begins by loading the cell once more,
/// right before the plugin is reached, so no call begins after `store` returned.
pub struct HoldingsCell(ArcSwap<Holdings>);

impl HoldingsCell {
    pub(crate) fn new(holdings: Holdings) -> Self {
        Self(ArcSwap::from_pointee(holdings))
    }

    pub(crate) fn load(&self) -> Guard<Arc<Holdings>> {
        self.0.load()
    }

    /// Returns the current holdings.
    #[must_use]
    pub fn current(&self) -> Arc<Holdings> {
        self.0.load_full()
    }

    pub(crate) fn store(&self, mut holdings: Holdings) {
        holdings.serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        self.0.store(Arc::new(holdings));
    }

    /// Changes the standing and nothing else.
    pub(crate) fn set_standing(&self, standing: Standing) {
        let mut next = Holdings::clone(&self.0.load());
        next.standing = standing;
        self.store(next);
    }
}

impl fmt::Debug for HoldingsCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HoldingsCell").field(&self.0.load()).finish()
    }
}
