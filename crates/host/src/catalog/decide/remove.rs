//! Taking plugins out of the catalog.

use keyway_plugin_api::PluginId;

use super::draft::Draft;
use super::switch;
use crate::catalog::error::CatalogError;
use crate::catalog::operation::StateDecision;

pub(super) fn uninstall(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    cascade: bool,
    state: Option<StateDecision>,
) -> Result<String, CatalogError> {
    draft.entry(plugin)?;
    if !cascade {
        switch::refuse_needed(draft, plugin)?;
    }
    let also = draft.next.dependents_first(plugin);
    for leaving in also.iter().chain([plugin]) {
        remove(draft, leaving, state)?;
    }
    let also = switch::also_line("uninstalled", &also);
    Ok(format!(
        "Uninstalled {plugin}. Catalog entry removed.{also}"
    ))
}

fn remove(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    state: Option<StateDecision>,
) -> Result<(), CatalogError> {
    let decision = match (draft.entry(plugin)?.keyway.declared.owns_state, state) {
        (true, None) => {
            return Err(CatalogError::StateUndecided {
                plugin: plugin.clone(),
            });
        }
        (true, Some(decision)) => decision,
        (false, _) => StateDecision::Discard,
    };
    draft.switch_off(plugin, None);
    draft.next.entries.remove(plugin);
    draft.removals.push((plugin.clone(), decision));
    Ok(())
}
