//! New versions: what carries over, and what an operator has to look at first.

use std::collections::BTreeMap;

use keyway_plugin_api::{PluginId, ToolName};

use super::approve;
use super::draft::Draft;
use super::install;
use crate::catalog::candidate::Candidate;
use crate::catalog::diff;
use crate::catalog::error::{CatalogError, ReloadStage};
use crate::catalog::needs;
use crate::catalog::plan::CatalogEvent;
use crate::catalog::record::{Authority, PendingUpdate};
use crate::catalog::state::CatalogEntry;
use crate::digest::Digest;
use crate::rank::Trust;

pub(super) fn reload(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    candidate: &Candidate,
) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    if entry.keyway.authority == Authority::PendingApproval {
        return Err(CatalogError::ApprovalPending {
            plugin: plugin.clone(),
        });
    }
    if !entry.enabled {
        return Err(CatalogError::NotEnabled {
            plugin: plugin.clone(),
        });
    }
    check(draft, plugin, candidate)?;
    match replace(draft, plugin, candidate)? {
        Replaced::Now => Ok(format!("Reloaded {plugin}. Downtime: 0ms.")),
        Replaced::Waits(message) => Ok(message),
    }
}

pub(super) fn update(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    candidate: &Candidate,
) -> Result<String, CatalogError> {
    draft.usable(plugin)?;
    check(draft, plugin, candidate)?;
    match replace(draft, plugin, candidate)? {
        Replaced::Now => {
            let version = &candidate.manifest.version;
            Ok(format!("Updated {plugin} to {version}."))
        }
        Replaced::Waits(message) => Ok(message),
    }
}

/// Refuses a new version that is another plugin or whose needs cannot be met.
fn check(draft: &Draft<'_>, plugin: &PluginId, candidate: &Candidate) -> Result<(), CatalogError> {
    let failed = |stage, reason| CatalogError::ReloadFailed {
        plugin: plugin.clone(),
        stage,
        reason,
    };
    if candidate.plugin() != plugin {
        let reason = format!("the manifest names {}", candidate.plugin());
        return Err(failed(ReloadStage::Validate, reason));
    }
    let rejected = &draft.entry(plugin)?.keyway.rejected;
    if candidate
        .declared
        .digest
        .is_some_and(|digest| rejected.contains(&digest))
    {
        let reason = "this version crashed on probation and was taken back; ship another";
        return Err(failed(ReloadStage::Validate, reason.to_owned()));
    }
    let requirements = &candidate.manifest.dependencies;
    if let Some(path) = needs::cycle(&draft.next, plugin, requirements) {
        let reason = CatalogError::DependencyCycle { path }.to_string();
        return Err(failed(ReloadStage::Resolve, reason));
    }
    let unmet = needs::unmet(&draft.next, requirements);
    let mut missing = unmet.absent;
    if draft.entry(plugin)?.enabled {
        missing.extend(unmet.disabled);
    }
    if !missing.is_empty() {
        let reason = format!("it needs {}", missing.join(", "));
        return Err(failed(ReloadStage::Resolve, reason));
    }
    refuse_to_break_dependents(draft, plugin, candidate, failed)
}

/// An update must not leave an enabled plugin with a version that it does not accept.
fn refuse_to_break_dependents(
    draft: &Draft<'_>,
    plugin: &PluginId,
    candidate: &Candidate,
    failed: impl Fn(ReloadStage, String) -> CatalogError,
) -> Result<(), CatalogError> {
    let version = &candidate.manifest.version;
    let enabled = draft.next.entries.iter().filter(|(_, entry)| entry.enabled);
    for (id, entry) in enabled {
        let mut requirements = entry.requirements().iter();
        let broken = requirements.find(|r| r.plugin == *plugin && !r.is_met_by(version));
        if let Some(requirement) = broken {
            let reason = format!("{id} needs {requirement}, which {version} is not");
            return Err(failed(ReloadStage::Resolve, reason));
        }
    }
    Ok(())
}

enum Replaced {
    Now,
    Waits(String),
}

/// Takes the new version in, or puts it beside the old one until an operator has looked at it.
fn replace(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    candidate: &Candidate,
) -> Result<Replaced, CatalogError> {
    let entry = draft.entry(plugin)?;
    let record = &entry.keyway;
    let diff = diff::lines(entry, candidate);
    if record.authority != Authority::Approved {
        return replace_waiting(draft, plugin, candidate);
    }
    // A builtin stays free of questions only as long as it comes from where builtins come from.
    let is_builtin = record.trust.min(candidate.trust) == Trust::Builtin;
    let is_free = is_builtin || diff.is_empty();
    if is_free && candidate.approval.is_none() {
        adopt(draft, plugin, candidate)?;
        return Ok(Replaced::Now);
    }
    let at_ms = draft.now_ms;
    draft.edit(plugin, |entry| {
        entry.keyway.pending_update = Some(Box::new(PendingUpdate {
            // Its words are in the diff.
            candidate: candidate.clone().with_tool_changes(Vec::new()),
            diff: diff.clone(),
            at_ms,
        }));
    });
    if let Some(approval) = &candidate.approval {
        approve::approve(draft, plugin, approval)?;
        return Ok(Replaced::Now);
    }
    let old = draft.entry(plugin)?.manifest.version.clone();
    let new = &candidate.manifest.version;
    for line in &diff {
        let message = format!("{plugin} {new}: {line}");
        let event = CatalogEvent::warning("UPDATE_PENDING", Some(plugin), message);
        draft.events.push(event);
    }
    Ok(Replaced::Waits(format!(
        "{plugin} {new} waits for approval: {}. Version {old} goes on.",
        diff.join("; ")
    )))
}

/// A plugin that was never approved, or was denied, waits with its new version.
fn replace_waiting(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    candidate: &Candidate,
) -> Result<Replaced, CatalogError> {
    adopt(draft, plugin, candidate)?;
    draft.edit(plugin, |entry| {
        entry.keyway.authority = Authority::PendingApproval;
    });
    if let Some(approval) = &candidate.approval {
        approve::approve(draft, plugin, approval)?;
        return Ok(Replaced::Now);
    }
    let version = &candidate.manifest.version;
    Ok(Replaced::Waits(format!(
        "{plugin} {version} waits for approval."
    )))
}

/// Makes the waiting update the installed version; tells whether there was one.
pub(super) fn adopt_pending(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
) -> Result<bool, CatalogError> {
    let Some(update) = draft.entry(plugin)?.keyway.pending_update.clone() else {
        return Ok(false);
    };
    check(draft, plugin, &update.candidate)?;
    adopt(draft, plugin, &update.candidate)?;
    Ok(true)
}

fn adopt(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    candidate: &Candidate,
) -> Result<(), CatalogError> {
    let (was_enabled, was_live) = {
        let entry = draft.entry(plugin)?;
        (entry.enabled, entry.is_live())
    };
    let new_slot = Some(candidate.manifest.slot);
    let moves = draft.entry(plugin)?.slot != new_slot;
    draft.edit(plugin, |entry| take_in(entry, candidate));
    if was_live {
        draft.start(plugin);
        draft.stop(plugin);
    }
    if moves && was_enabled {
        draft.free_slot(plugin);
        draft.edit(plugin, |entry| {
            entry.enabled = false;
            entry.keyway.wants_enabled = true;
        });
        install::settle(draft, plugin)?;
        if !draft.entry(plugin)?.is_live() {
            draft.starts.retain(|id| id != plugin);
            draft.stop_dependents(plugin, "it lost its slot");
        }
    }
    Ok(())
}

fn take_in(entry: &mut CatalogEntry, candidate: &Candidate) {
    let record = &mut entry.keyway;
    let mut declared = candidate.declared.clone();
    if declared.tool_pins.is_empty() && record.pending_update.is_none() {
        declared.tool_pins = std::mem::take(&mut record.declared.tool_pins);
    }
    record.grants = approve::carried_over(&record.grants, &declared.requests, declared.digest);
    record.declared = declared;
    record.trust = record.trust.min(candidate.trust);
    record.pending_update = None;
    entry.manifest = candidate.manifest.clone();
    entry.slot = Some(candidate.manifest.slot);
    if candidate.source_path.is_some() {
        entry.source_path.clone_from(&candidate.source_path);
    }
}

/// Records the definitions that a plugin registered. Definitions other than those that were
/// approved take the approval back (attack T3); fewer of them do not.
pub(super) fn pin_tools(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    pins: &BTreeMap<ToolName, Digest>,
    changes: &[String],
) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    let known = &entry.keyway.declared.tool_pins;
    let changed = diff::tool_lines(known, pins);
    if changed.is_empty() || known == pins {
        draft.idle();
        return Ok(format!("The tools of {plugin} are as approved."));
    }
    let is_first = known.is_empty();
    if is_first || entry.keyway.trust == Trust::Builtin {
        draft.edit(plugin, |entry| {
            entry.keyway.declared.tool_pins.clone_from(pins)
        });
        return Ok(format!("Pinned {} tools of {plugin}.", pins.len()));
    }
    let mut candidate = candidate_of(entry);
    candidate.declared.tool_pins.clone_from(pins);
    let reason = format!(
        "its tools are not those that were approved: {}",
        changed.join("; ")
    );
    draft.suspend(plugin, Authority::PendingApproval, &reason);
    let at_ms = draft.now_ms;
    draft.edit(plugin, |entry| {
        entry.keyway.pending_update = Some(Box::new(PendingUpdate {
            candidate,
            diff: diff::in_words(changed, changes),
            at_ms,
        }));
    });
    let event = CatalogEvent::warning("DEFINITION_CHANGED", Some(plugin), reason.clone());
    draft.events.push(event);
    Ok(format!("{plugin} waits for approval: {reason}."))
}

fn candidate_of(entry: &CatalogEntry) -> Candidate {
    let record = &entry.keyway;
    Candidate::of_summary(entry.manifest.clone(), record.declared.clone())
        .with_precedence(entry.precedence)
        .with_trust(record.trust)
        .with_scope(record.scope.clone())
}
