//! A plan in the making.

use std::sync::Arc;

use keyway_plugin_api::PluginId;

use crate::catalog::error::CatalogError;
use crate::catalog::operation::{Operation, StateDecision};
use crate::catalog::plan::{CatalogEvent, CatalogOperationResult, Plan, SlotCollision};
use crate::catalog::record::Authority;
use crate::catalog::state::{CatalogEntry, CatalogState};

/// Everything a plan will say, while it is being found out.
pub(super) struct Draft<'a> {
    pub(super) base: &'a CatalogState,
    pub(super) next: CatalogState,
    /// Never earlier than any time the catalog has seen.
    pub(super) now_ms: i64,
    pub(super) starts: Vec<PluginId>,
    pub(super) stops: Vec<PluginId>,
    pub(super) removals: Vec<(PluginId, StateDecision)>,
    pub(super) displaced: Option<PluginId>,
    pub(super) collision: Option<SlotCollision>,
    pub(super) events: Vec<CatalogEvent>,
    pub(super) is_idle: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(base: &'a CatalogState, now_ms: i64) -> Self {
        Self {
            base,
            next: base.clone(),
            now_ms: base.judged_ms(now_ms),
            starts: Vec::new(),
            stops: Vec::new(),
            removals: Vec::new(),
            displaced: None,
            collision: None,
            events: Vec::new(),
            is_idle: false,
        }
    }

    /// Returns an entry of the next state.
    pub(super) fn entry(&self, plugin: &PluginId) -> Result<&CatalogEntry, CatalogError> {
        let missing = || CatalogError::NotFound {
            plugin: plugin.clone(),
        };
        self.next.entry(plugin).ok_or_else(missing)
    }

    /// Returns an entry that no revocation forbids to touch.
    pub(super) fn usable(&self, plugin: &PluginId) -> Result<&CatalogEntry, CatalogError> {
        self.refuse_revoked(plugin)?;
        self.entry(plugin)
    }

    pub(super) fn refuse_revoked(&self, plugin: &PluginId) -> Result<(), CatalogError> {
        match self.next.keyway.revocations.get(plugin) {
            Some(revocation) => Err(CatalogError::Revoked {
                plugin: plugin.clone(),
                by: revocation.by.clone(),
                reason: revocation.reason.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Changes an entry, if it is there, and stamps it.
    pub(super) fn edit(&mut self, plugin: &PluginId, change: impl FnOnce(&mut CatalogEntry)) {
        if let Some(entry) = self.next.entries.get_mut(plugin) {
            let entry = Arc::make_mut(entry);
            entry.last_modified_ms = self.now_ms;
            change(entry);
        }
    }

    /// Says that the operation changes nothing, so that nothing is written.
    pub(super) fn idle(&mut self) {
        self.is_idle = true;
    }

    /// Takes the slot and the switch away from a plugin. Whoever needs it must have been dealt
    /// with before.
    pub(super) fn switch_off(&mut self, plugin: &PluginId, reason: Option<String>) {
        let was_live = self.next.entry(plugin).is_some_and(CatalogEntry::is_live);
        self.free_slot(plugin);
        self.edit(plugin, |entry| {
            entry.enabled = false;
            entry.keyway.displaced_by = None;
            entry.keyway.disabled_reason = reason;
        });
        if was_live {
            self.stop(plugin);
        }
    }

    pub(super) fn free_slot(&mut self, plugin: &PluginId) {
        self.next
            .slot_assignments
            .retain(|_, holder| holder != plugin);
    }

    pub(super) fn stop(&mut self, plugin: &PluginId) {
        if !self.stops.contains(plugin) {
            self.stops.push(plugin.clone());
        }
    }

    pub(super) fn start(&mut self, plugin: &PluginId) {
        if !self.starts.contains(plugin) {
            self.starts.push(plugin.clone());
        }
    }

    /// Takes authority away: the plugin and those that need it stop, and the wish that it be
    /// enabled is kept for a later approval.
    pub(super) fn suspend(&mut self, plugin: &PluginId, authority: Authority, reason: &str) {
        self.stop_dependents(plugin, reason);
        let wished = self
            .next
            .entry(plugin)
            .is_some_and(|entry| entry.enabled || entry.keyway.wants_enabled);
        self.switch_off(plugin, Some(reason.to_owned()));
        self.edit(plugin, |entry| {
            entry.keyway.authority = authority;
            entry.keyway.wants_enabled = wished && authority != Authority::Revoked;
        });
    }

    /// Switches off every enabled plugin that needs this one, the farthest first.
    pub(super) fn stop_dependents(&mut self, plugin: &PluginId, why: &str) -> Vec<PluginId> {
        let dependents = self.next.dependents_first(plugin);
        for dependent in &dependents {
            let reason = format!("it needs {plugin} ({why})");
            self.switch_off(dependent, Some(reason.clone()));
            let message = format!("{dependent} was disabled: {reason}");
            let event = CatalogEvent::warning("DEPENDENT_DISABLED", Some(dependent), message);
            self.events.push(event);
        }
        dependents
    }

    pub(super) fn into_plan(mut self, operation: &Operation, message: String) -> Plan {
        if self.is_idle {
            self.next = self.base.clone();
        } else {
            self.next.last_modified_ms = self.now_ms;
            self.next.keyway.clock_high_water_ms = self.now_ms;
            self.next.keyway.revision = self.base.revision().saturating_add(1);
        }
        let about = operation.plugin();
        let previous = about.and_then(|plugin| self.base.entry(plugin));
        let new = about.and_then(|plugin| self.next.entry(plugin));
        let result = CatalogOperationResult {
            success: true,
            plugin_id: about.cloned(),
            operation: operation.kind(),
            message,
            previous_state: previous.cloned(),
            new_state: new.cloned(),
        };
        Plan {
            operation: operation.clone(),
            base_revision: self.base.revision(),
            next: Arc::new(self.next),
            result,
            collision: self.collision,
            starts: self.starts,
            stops: self.stops,
            displaced: self.displaced,
            removals: self.removals,
            events: self.events,
        }
    }
}
