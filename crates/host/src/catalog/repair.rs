//! Mending a state that no operation could have made, but a hand or a foreign tool can.

use keyway_plugin_api::{PluginId, Slot};

use super::needs;
use super::plan::CatalogEvent;
use super::record::Authority;
use super::state::{CatalogEntry, CatalogState};

impl CatalogState {
    /// Takes away what the rules do not allow, gives a free slot to who is enabled for it, and
    /// says what it did. A state that operations made is left alone.
    #[must_use]
    pub fn repair(&mut self) -> Vec<CatalogEvent> {
        let mut events = Vec::new();
        self.end_the_revoked(&mut events);
        self.stop_the_unauthorised(&mut events);
        self.free_dangling_slots(&mut events);
        self.fill_claimed_slots(&mut events);
        self.stop_the_slotless(&mut events);
        self.stop_the_needy(&mut events);
        events
    }

    fn end_the_revoked(&mut self, events: &mut Vec<CatalogEvent>) {
        let is_forged = |id: &PluginId, entry: &CatalogEntry| {
            self.is_revoked(id) && entry.keyway.authority != Authority::Revoked
        };
        for id in self.where_entry(is_forged) {
            self.switch_off(&id, events, "it is revoked");
            self.change(&id, |entry| {
                entry.keyway.authority = Authority::Revoked;
                entry.keyway.grants.clear();
            });
        }
    }

    fn stop_the_unauthorised(&mut self, events: &mut Vec<CatalogEvent>) {
        let is_forged = |_: &PluginId, entry: &CatalogEntry| {
            entry.enabled && entry.keyway.authority != Authority::Approved
        };
        for id in self.where_entry(is_forged) {
            self.switch_off(&id, events, "it is not approved");
        }
    }

    fn free_dangling_slots(&mut self, events: &mut Vec<CatalogEvent>) {
        let slots = self.slot_assignments.iter();
        let dangling = slots.filter(|(slot, id)| !self.may_hold(**slot, id));
        let dangling: Vec<_> = dangling.map(|(slot, id)| (*slot, id.clone())).collect();
        for (slot, id) in dangling {
            self.slot_assignments.remove(&slot);
            let message = format!("slot {slot} was assigned to {id}, which cannot hold it");
            events.push(CatalogEvent::warning("SLOT_REPAIRED", Some(&id), message));
        }
    }

    /// Of several claimants the one that would win a contest gets it.
    fn fill_claimed_slots(&mut self, events: &mut Vec<CatalogEvent>) {
        for slot in Slot::ALL.into_iter().filter(|slot| slot.is_exclusive()) {
            let claims = self
                .entries
                .iter()
                .filter(|(id, _)| self.may_hold(slot, id));
            let winner = claims.min_by_key(|(id, entry)| (entry.precedence, *id));
            let winner = winner.map(|(id, _)| id.clone());
            if let (None, Some(id)) = (self.occupant(slot), winner) {
                let message = format!("slot {slot} was not assigned; {id} is enabled for it");
                events.push(CatalogEvent::warning("SLOT_REPAIRED", Some(&id), message));
                self.slot_assignments.insert(slot, id);
            }
        }
    }

    fn may_hold(&self, slot: Slot, id: &PluginId) -> bool {
        let entry = self.entry(id);
        entry.is_some_and(|entry| entry.enabled && entry.exclusive_slot() == Some(slot))
    }

    fn stop_the_slotless(&mut self, events: &mut Vec<CatalogEvent>) {
        let is_slotless = |id: &PluginId, entry: &CatalogEntry| {
            let slot = entry.exclusive_slot();
            entry.enabled && slot.is_some_and(|slot| self.occupant(slot) != Some(id))
        };
        for id in self.where_entry(is_slotless) {
            self.switch_off(&id, events, "another plugin holds its slot");
        }
    }

    /// One that stops may leave another without what it needs, so this goes on until all agree.
    fn stop_the_needy(&mut self, events: &mut Vec<CatalogEvent>) {
        let is_needy = |state: &Self, entry: &CatalogEntry| {
            let unmet = needs::unmet(state, entry.requirements());
            entry.enabled && !(unmet.absent.is_empty() && unmet.disabled.is_empty())
        };
        loop {
            let needy = self.where_entry(|_, entry| is_needy(self, entry));
            if needy.is_empty() {
                return;
            }
            for id in needy {
                self.switch_off(&id, events, "what it needs is not enabled");
            }
        }
    }

    fn where_entry(&self, test: impl Fn(&PluginId, &CatalogEntry) -> bool) -> Vec<PluginId> {
        let entries = self.entries.iter().filter(|(id, entry)| test(id, entry));
        entries.map(|(id, _)| id.clone()).collect()
    }

    fn switch_off(&mut self, id: &PluginId, events: &mut Vec<CatalogEvent>, why: &str) {
        self.slot_assignments.retain(|_, holder| holder != id);
        self.change(id, |entry| {
            entry.enabled = false;
            entry.keyway.displaced_by = None;
            entry.keyway.disabled_reason = Some(why.to_owned());
        });
        let message = format!("{id} was disabled while loading: {why}");
        events.push(CatalogEvent::warning("ENTRY_REPAIRED", Some(id), message));
    }

    fn change(&mut self, id: &PluginId, change: impl FnOnce(&mut CatalogEntry)) {
        if let Some(entry) = self.entries.get_mut(id) {
            change(std::sync::Arc::make_mut(entry));
        }
    }
}
