//! Putting a plugin into the catalog.

use std::sync::Arc;

use keyway_plugin_api::PluginId;
use serde_json::Map;

use super::approve;
use super::draft::Draft;
use super::switch;
use crate::catalog::candidate::Candidate;
use crate::catalog::error::CatalogError;
use crate::catalog::needs;
use crate::catalog::record::{Authority, EntryRecord};
use crate::catalog::state::CatalogEntry;
use crate::rank::Trust;
use crate::text::skeleton;

pub(super) fn install(
    draft: &mut Draft<'_>,
    candidate: &Candidate,
) -> Result<String, CatalogError> {
    let plugin = candidate.plugin();
    draft.refuse_revoked(plugin)?;
    if draft.next.entry(plugin).is_some() {
        return Err(CatalogError::AlreadyInstalled {
            plugin: plugin.clone(),
        });
    }
    refuse_look_alike(draft, plugin)?;
    refuse_unresolvable(draft, candidate)?;
    let entry = entry_of(candidate, draft.now_ms);
    draft.next.entries.insert(plugin.clone(), Arc::new(entry));
    if let Some(approval) = &candidate.approval {
        let approved = approve::approve(draft, plugin, approval)?;
        return Ok(format!("Installed {plugin}. {approved}"));
    }
    if draft.entry(plugin)?.keyway.authority == Authority::PendingApproval {
        let standing = switch::standing(draft, plugin);
        return Ok(format!("Installed {standing} It waits for approval."));
    }
    let rest = settle(draft, plugin)?;
    Ok(format!(
        "Installed {}{rest}",
        switch::standing(draft, plugin)
    ))
}

/// Enables an approved plugin that wants it, or says why not; never an error, because losing a
/// contest is no failure of an installation (settlement 2).
pub(super) fn settle(draft: &mut Draft<'_>, plugin: &PluginId) -> Result<String, CatalogError> {
    if !draft.entry(plugin)?.keyway.wants_enabled {
        return Ok(" Disabled.".to_owned());
    }
    match switch::switch_on(draft, plugin) {
        Ok(()) => Ok(String::new()),
        Err(obstacle) => {
            let reason = obstacle.to_string();
            draft.edit(plugin, |entry| {
                entry.keyway.wants_enabled = false;
                entry.keyway.disabled_reason = Some(reason.clone());
            });
            Ok(format!(" Disabled: {reason}."))
        }
    }
}

fn entry_of(candidate: &Candidate, now_ms: i64) -> CatalogEntry {
    let waits = candidate.trust != Trust::Builtin && candidate.declared.needs_approval();
    CatalogEntry {
        manifest: candidate.manifest.clone(),
        precedence: candidate.precedence,
        enabled: false,
        slot: Some(candidate.manifest.slot),
        source_path: candidate.source_path.clone(),
        installed_at_ms: now_ms,
        last_modified_ms: now_ms,
        keyway: EntryRecord {
            trust: candidate.trust,
            scope: candidate.scope.clone(),
            authority: if waits {
                Authority::PendingApproval
            } else {
                Authority::Approved
            },
            wants_enabled: candidate.enable,
            declared: candidate.declared.clone(),
            ..EntryRecord::default()
        },
        other: Map::new(),
    }
}

fn refuse_unresolvable(draft: &Draft<'_>, candidate: &Candidate) -> Result<(), CatalogError> {
    let plugin = candidate.plugin();
    let requirements = &candidate.manifest.dependencies;
    if let Some(path) = needs::cycle(&draft.next, plugin, requirements) {
        return Err(CatalogError::DependencyCycle { path });
    }
    let missing = needs::unmet(&draft.next, requirements).absent;
    if missing.is_empty() {
        return Ok(());
    }
    Err(CatalogError::DependencyMissing {
        plugin: plugin.clone(),
        missing,
    })
}

fn refuse_look_alike(draft: &Draft<'_>, plugin: &PluginId) -> Result<(), CatalogError> {
    let looks = skeleton(plugin.as_str());
    let mut installed = draft.next.entries.keys();
    match installed.find(|other| skeleton(other.as_str()) == looks) {
        Some(other) => Err(CatalogError::NameConfusable {
            plugin: plugin.clone(),
            installed: other.clone(),
        }),
        None => Ok(()),
    }
}
