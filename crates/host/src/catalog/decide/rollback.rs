//! The way back from a version that crashed on probation.

use keyway_plugin_api::PluginId;

use super::approve::missing_required;
use super::draft::Draft;
use crate::catalog::error::{CatalogError, ReloadStage};
use crate::catalog::grant::Grant;
use crate::catalog::plan::CatalogEvent;
use crate::catalog::record::Authority;
use crate::catalog::state::CatalogEntry;

/// Puts the version from before back, and refuses the present one from now on.
pub(super) fn roll_back(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    to: &CatalogEntry,
    reason: &str,
) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    if entry.keyway.authority != Authority::Approved || !entry.enabled {
        return Err(CatalogError::NotEnabled {
            plugin: plugin.clone(),
        });
    }
    if to.manifest.name != *plugin || to.slot != entry.slot {
        return Err(CatalogError::ReloadFailed {
            plugin: plugin.clone(),
            stage: ReloadStage::Validate,
            reason: "the version from before has another name or slot".to_owned(),
        });
    }
    let grants = still_granted(&to.keyway.grants, &entry.keyway.grants);
    if let Some(tags) = missing_required(&to.keyway.declared.requests, &grants) {
        return Err(CatalogError::ReloadFailed {
            plugin: plugin.clone(),
            stage: ReloadStage::Resolve,
            reason: format!("the version from before needs {tags}, which is no longer granted"),
        });
    }
    let (bad, version) = (entry.manifest.version.clone(), to.manifest.version.clone());
    draft.edit(plugin, |entry| {
        let rejected = entry.keyway.declared.digest;
        entry.keyway.rejected.extend(rejected);
        entry.manifest = to.manifest.clone();
        entry.keyway.declared = to.keyway.declared.clone();
        entry.keyway.approval.clone_from(&to.keyway.approval);
        entry.keyway.grants = grants;
    });
    draft.start(plugin);
    draft.stop(plugin);
    let message = format!("{plugin} {bad} was taken back: {reason}");
    let event = CatalogEvent::warning("ROLLED_BACK", Some(plugin), message);
    draft.events.push(event);
    Ok(format!(
        "Rolled {plugin} back from {bad} to {version}: {reason}."
    ))
}

/// What operators took away since stays away.
fn still_granted(before: &[Grant], now: &[Grant]) -> Vec<Grant> {
    let covers = |grant: &Grant, old: &Grant| {
        grant.capability.covers(&old.capability) && grant.scope.contains(&old.scope)
    };
    let held = before
        .iter()
        .filter(|old| now.iter().any(|grant| covers(grant, old)));
    held.cloned().collect()
}
