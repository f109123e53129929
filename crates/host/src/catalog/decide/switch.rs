//! Switching plugins on and off.

use keyway_plugin_api::PluginId;

use super::draft::Draft;
use crate::catalog::error::CatalogError;
use crate::catalog::needs;
use crate::catalog::plan::{CatalogEvent, SlotCollision};
use crate::catalog::record::Authority;
use crate::catalog::slots::{self, Seat};

pub(super) fn enable(draft: &mut Draft<'_>, plugin: &PluginId) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    if entry.enabled {
        return Err(CatalogError::AlreadyEnabled {
            plugin: plugin.clone(),
        });
    }
    refuse_unauthorised(draft, plugin)?;
    switch_on(draft, plugin)?;
    Ok(format!("Enabled {}", standing(draft, plugin)))
}

fn refuse_unauthorised(draft: &Draft<'_>, plugin: &PluginId) -> Result<(), CatalogError> {
    let record = &draft.entry(plugin)?.keyway;
    match record.authority {
        Authority::Approved => Ok(()),
        Authority::PendingApproval => Err(CatalogError::ApprovalPending {
            plugin: plugin.clone(),
        }),
        Authority::Denied | Authority::Revoked => Err(CatalogError::CapabilityDenied {
            plugin: plugin.clone(),
            reason: record.disabled_reason.clone().unwrap_or_default(),
        }),
    }
}

/// Says where a plugin stands: `x (slot: llm). Displaced y (lower precedence).`
pub(super) fn standing(draft: &Draft<'_>, plugin: &PluginId) -> String {
    let slot = draft.next.entry(plugin).and_then(|entry| entry.slot);
    let slot = slot.map_or_else(String::new, |slot| format!(" (slot: {slot})"));
    let displaced = match &draft.displaced {
        Some(loser) => format!(" Displaced {loser} (lower precedence)."),
        None => String::new(),
    };
    format!("{plugin}{slot}.{displaced}")
}

/// Gives a plugin its slot and its switch, displacing whom it outranks.
pub(super) fn switch_on(draft: &mut Draft<'_>, plugin: &PluginId) -> Result<(), CatalogError> {
    let entry = draft.entry(plugin)?;
    let unmet = needs::unmet(&draft.next, entry.requirements());
    let missing = [unmet.absent, unmet.disabled].concat();
    if !missing.is_empty() {
        return Err(CatalogError::DependencyMissing {
            plugin: plugin.clone(),
            missing,
        });
    }
    if let Seat::Contested(collision) = slots::seat(&draft.next, plugin, entry) {
        contest(draft, collision)?;
    }
    let entry = draft.entry(plugin)?;
    let (slot, was_live) = (entry.exclusive_slot(), entry.is_live());
    if let Some(slot) = slot {
        draft.next.slot_assignments.insert(slot, plugin.clone());
    }
    draft.edit(plugin, |entry| {
        entry.enabled = true;
        entry.keyway.wants_enabled = false;
        entry.keyway.displaced_by = None;
        entry.keyway.disabled_reason = None;
    });
    if !was_live {
        draft.start(plugin);
    }
    Ok(())
}

/// Records a contest for a slot and carries it out.
fn contest(draft: &mut Draft<'_>, collision: SlotCollision) -> Result<(), CatalogError> {
    let event = CatalogEvent::warning("SLOT_COLLISION", Some(&collision.challenger_id), {
        let verb = if collision.will_displace {
            "displaces"
        } else {
            "does not displace"
        };
        let (challenger, incumbent) = (&collision.challenger_id, &collision.incumbent_id);
        format!("slot {}: {challenger} {verb} {incumbent}", collision.slot)
    });
    draft.events.push(event);
    draft.collision = Some(collision.clone());
    if !collision.will_displace {
        return Err(CatalogError::SlotOccupied {
            collision: Box::new(collision),
        });
    }
    displace(draft, &collision)
}

fn displace(draft: &mut Draft<'_>, collision: &SlotCollision) -> Result<(), CatalogError> {
    let loser = &collision.incumbent_id;
    refuse_needed(draft, loser)?;
    let stays = draft.entry(loser)?.keyway.declared.gives_more();
    draft.free_slot(loser);
    draft.edit(loser, |entry| {
        entry.enabled = false;
        entry.keyway.displaced_by = Some(collision.challenger_id.clone());
        let (winner, slot) = (&collision.challenger_id, collision.slot);
        entry.keyway.disabled_reason = Some(format!("{winner} took slot {slot}"));
    });
    if !stays {
        draft.stop(loser);
    }
    draft.displaced = Some(loser.clone());
    Ok(())
}

pub(super) fn refuse_needed(draft: &Draft<'_>, plugin: &PluginId) -> Result<(), CatalogError> {
    let mut dependents = draft.next.dependents_first(plugin);
    dependents.reverse();
    if dependents.is_empty() {
        return Ok(());
    }
    Err(CatalogError::HasDependents {
        plugin: plugin.clone(),
        dependents,
    })
}

pub(super) fn disable(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    cascade: bool,
) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    let is_on = entry.enabled || entry.is_live() || entry.keyway.wants_enabled;
    if !is_on {
        return Err(CatalogError::AlreadyDisabled {
            plugin: plugin.clone(),
        });
    }
    if !cascade {
        refuse_needed(draft, plugin)?;
    }
    let also = draft.stop_dependents(plugin, "disabled");
    let slot = draft.next.slot_assignments.iter();
    let held = slot
        .filter(|(_, holder)| *holder == plugin)
        .map(|(slot, _)| *slot);
    let freed: Vec<_> = held.collect();
    // A plugin that waits for approval keeps its reason; only the wish goes.
    let reason = draft.entry(plugin)?.keyway.disabled_reason.clone();
    let waits = draft.entry(plugin)?.keyway.authority != Authority::Approved;
    draft.switch_off(plugin, reason.filter(|_| waits));
    draft.edit(plugin, |entry| entry.keyway.wants_enabled = false);
    let freed = freed
        .iter()
        .map(|slot| format!(" Slot {slot} is now unoccupied."));
    let freed: String = freed.collect();
    Ok(format!(
        "Disabled {plugin}.{freed}{}",
        also_line("disabled", &also)
    ))
}

pub(super) fn also_line(verb: &str, plugins: &[PluginId]) -> String {
    if plugins.is_empty() {
        return String::new();
    }
    let names: Vec<_> = plugins.iter().map(PluginId::as_str).collect();
    format!(" Also {verb}: {}.", names.join(", "))
}
