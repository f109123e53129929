//! Who gets an exclusive slot.

use keyway_plugin_api::PluginId;

use super::plan::SlotCollision;
use super::state::{CatalogEntry, CatalogState};

/// What stands between a plugin and its slot.
pub(super) enum Seat {
    /// Nothing does.
    Free,
    /// Another plugin holds it; the collision says who wins.
    Contested(SlotCollision),
}

/// Looks at the slot that a plugin targets.
pub(super) fn seat(state: &CatalogState, plugin: &PluginId, entry: &CatalogEntry) -> Seat {
    let Some(slot) = entry.exclusive_slot() else {
        return Seat::Free;
    };
    let holder = state.occupant(slot).filter(|holder| *holder != plugin);
    let Some((incumbent_id, incumbent)) = holder.and_then(|id| Some((id, state.entry(id)?))) else {
        return Seat::Free;
    };
    Seat::Contested(SlotCollision {
        slot,
        incumbent_id: incumbent_id.clone(),
        incumbent_precedence: incumbent.precedence,
        challenger_id: plugin.clone(),
        challenger_precedence: entry.precedence,
        will_displace: entry.precedence.outranks(incumbent.precedence),
    })
}
