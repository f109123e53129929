//! From the catalog to what the gate reads: derived state, rebuilt whenever the catalog changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_plugin_api::PluginId;

use crate::catalog::{CatalogState, ToolRule};
use crate::digest::Digest;
use crate::engine::Engine;
use crate::gate::{Holdings, HoldingsCell, Standing};

/// Brings every plugin's holdings up to date with the catalog; tells whether those of a plugin
/// that runs have changed, and with them what can be called.
pub(crate) fn refresh_all(engine: &Engine) -> bool {
    let _writer = engine.change_cells();
    let state = engine.catalog.snapshot();
    engine.time.not_before(state.keyway.clock_high_water_ms);
    let rules: Arc<[ToolRule]> = state.keyway.tool_rules.clone().into();
    let old = engine.cells.load_full();
    let mut cells = BTreeMap::new();
    let mut has_changed = false;
    // What the host's own tools hold is in no catalog, whatever a catalog edited by hand says.
    let is_own = |id: &PluginId| old.get(id).is_some_and(|cell| cell.load().is_builtin());
    for id in state.entries.keys().filter(|id| !is_own(id)) {
        let cell = old
            .get(id)
            .cloned()
            .unwrap_or_else(|| Arc::new(HoldingsCell::new(none(id))));
        has_changed |= update(&cell, &state, id, &rules);
        cells.insert(id.clone(), cell);
    }
    for (id, cell) in old
        .iter()
        .filter(|(id, _)| is_own(id) || !state.entries.contains_key(*id))
    {
        if cell.load().is_builtin() {
            cells.insert(id.clone(), Arc::clone(cell));
            continue;
        }
        has_changed |= cell.load().standing() == Standing::Running;
        let revoked = state.is_revoked(id);
        cell.set_standing(if revoked {
            Standing::Revoked
        } else {
            Standing::Stopped
        });
    }
    engine.cells.store(Arc::new(cells));
    has_changed
}

/// Brings one plugin's holdings up to date with the catalog.
pub(crate) fn refresh_holdings(engine: &Engine, plugin: &PluginId) {
    let _writer = engine.change_cells();
    let state = engine.catalog.snapshot();
    let rules: Arc<[ToolRule]> = state.keyway.tool_rules.clone().into();
    if let Some(cell) = engine.cell(plugin) {
        update(&cell, &state, plugin, &rules);
    }
}

fn none(plugin: &PluginId) -> Holdings {
    Holdings::none(
        plugin.clone(),
        crate::rank::Trust::Community,
        Digest::of(b""),
    )
}

/// Rewrites a cell; whether the plugin runs is the host's own fact and stays, unless the catalog
/// no longer lets it. Tells whether it changes for a plugin that runs.
fn update(
    cell: &HoldingsCell,
    state: &CatalogState,
    id: &PluginId,
    rules: &Arc<[ToolRule]>,
) -> bool {
    let Some(entry) = state.entry(id) else {
        return false;
    };
    let record = &entry.keyway;
    let before = cell.current();
    let mut next = Holdings::clone(&before);
    next.trust = record.trust;
    next.definition = record.declared.digest.unwrap_or(before.definition);
    next.scope = record.scope.clone();
    next.requests = record.declared.requests.clone();
    next.grants = record.grants.clone();
    next.rules = Arc::clone(rules);
    next.standing = match before.standing {
        _ if state.is_revoked(id) => Standing::Revoked,
        standing @ (Standing::Running | Standing::Down) if entry.is_live() => standing,
        _ => Standing::Stopped,
    };
    if next.same_as(&before) {
        return false;
    }
    cell.store(next);
    before.standing == Standing::Running
}
