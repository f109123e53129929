//! What an operation would change, before it changes anything.

use std::fmt;
use std::sync::Arc;

use keyway_plugin_api::PluginId;
use serde::Serialize;

use super::operation::{Operation, OperationKind, StateDecision};
use super::state::{CatalogEntry, CatalogState};
use crate::rank::Precedence;

/// A plan is the whole effect of one operation on one revision of the catalog.
///
/// Only [`decide`](super::decide) makes one; [`Catalog::apply`](super::Catalog::apply) consumes
/// it. In between a host starts what [`Plan::starts`] lists, so that a failed start leaves the
/// catalog and the plugins that serve untouched (settlement 7).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Plan {
    pub(super) operation: Operation,
    pub(super) base_revision: u64,
    #[serde(skip)]
    pub(super) next: Arc<CatalogState>,
    pub(super) result: CatalogOperationResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) collision: Option<SlotCollision>,
    pub(super) starts: Vec<PluginId>,
    pub(super) stops: Vec<PluginId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) displaced: Option<PluginId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) removals: Vec<(PluginId, StateDecision)>,
    pub(super) events: Vec<CatalogEvent>,
}

impl Plan {
    /// Returns the operation.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Returns the revision that the plan was made on; it applies to no other.
    #[must_use]
    pub fn base_revision(&self) -> u64 {
        self.base_revision
    }

    /// Returns the catalog as it would be.
    #[must_use]
    pub fn next(&self) -> &CatalogState {
        &self.next
    }

    /// Returns the catalog as it would be, shared, for a store to keep.
    #[must_use]
    pub fn shared_next(&self) -> &Arc<CatalogState> {
        &self.next
    }

    /// Returns what the operation would answer.
    #[must_use]
    pub fn result(&self) -> &CatalogOperationResult {
        &self.result
    }

    /// Returns the contest for a slot, if there is one.
    #[must_use]
    pub fn collision(&self) -> Option<&SlotCollision> {
        self.collision.as_ref()
    }

    /// Returns the plugins to initialise before applying, in order.
    #[must_use]
    pub fn starts(&self) -> &[PluginId] {
        &self.starts
    }

    /// Returns the plugins to tear down after applying, in order. A plugin that is in
    /// [`Plan::starts`] too gets a new instance before the old one goes.
    #[must_use]
    pub fn stops(&self) -> &[PluginId] {
        &self.stops
    }

    /// Returns the plugin that would lose its slot.
    #[must_use]
    pub fn displaced(&self) -> Option<&PluginId> {
        self.displaced.as_ref()
    }

    /// Returns the plugins that leave the catalog, in order, and what becomes of their state.
    #[must_use]
    pub fn removals(&self) -> &[(PluginId, StateDecision)] {
        &self.removals
    }

    /// Returns what operators should read in the log and the audit trail.
    #[must_use]
    pub fn events(&self) -> &[CatalogEvent] {
        &self.events
    }

    /// Tells whether applying would write anything.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.next.revision() != self.base_revision
    }

    /// Fills the measured downtime into the message of a reload, unless the new version waits.
    pub fn note_downtime(&mut self, ms: u64) {
        let entry = self.result.new_state.as_ref();
        let waits = entry.is_some_and(|entry| entry.keyway.pending_update.is_some());
        if self.result.operation == OperationKind::Reload
            && !waits
            && let Some(plugin) = self.result.plugin_id.as_ref()
        {
            self.result.message = format!("Reloaded {plugin}. Downtime: {ms}ms.");
        }
    }
}

/// Shows the plan to people.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.result.message)?;
        for id in &self.starts {
            writeln!(f, "  start {id}")?;
        }
        for id in &self.stops {
            writeln!(f, "  stop {id}")?;
        }
        for (id, decision) in &self.removals {
            writeln!(f, "  remove {id} (state: {})", decision.as_str())?;
        }
        for event in &self.events {
            writeln!(f, "  {}", event.message)?;
        }
        Ok(())
    }
}

impl StateDecision {
    /// Returns the word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::Export => "export",
            Self::Keep => "keep",
        }
    }
}

/// What a successful operation answers; a failed one is a
/// [`CatalogError`](super::CatalogError).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatalogOperationResult {
    /// Whether the operation completed without error.
    pub success: bool,
    /// The plugin it was about; absent where it was about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_id: Option<PluginId>,
    /// The operation.
    pub operation: OperationKind,
    /// Summary for people.
    pub message: String,
    /// The entry before; absent for an installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_state: Option<CatalogEntry>,
    /// The entry after; absent for a removal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_state: Option<CatalogEntry>,
}

/// Two plugins want the same exclusive slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "source 002 fixes the six fields")]
pub struct SlotCollision {
    /// The slot.
    pub slot: keyway_plugin_api::Slot,
    /// The plugin that holds it.
    pub incumbent_id: PluginId,
    /// Its precedence.
    pub incumbent_precedence: Precedence,
    /// The plugin that wants it.
    pub challenger_id: PluginId,
    /// Its precedence.
    pub challenger_precedence: Precedence,
    /// Whether the challenger gets it.
    pub will_displace: bool,
}

/// One fact that operators should read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatalogEvent {
    /// How much attention it wants.
    pub level: EventLevel,
    /// Stable name of the kind of event, such as `SLOT_COLLISION`.
    pub code: &'static str,
    /// The plugin it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginId>,
    /// The fact, for people.
    pub message: String,
}

/// How much attention an event wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EventLevel {
    /// It is good to know.
    Info,
    /// Somebody should look.
    Warning,
}

impl CatalogEvent {
    pub(crate) fn info(
        code: &'static str,
        plugin: Option<&PluginId>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            level: EventLevel::Info,
            code,
            plugin: plugin.cloned(),
            message: message.into(),
        }
    }

    pub(crate) fn warning(
        code: &'static str,
        plugin: Option<&PluginId>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            level: EventLevel::Warning,
            ..Self::info(code, plugin, message)
        }
    }
}
