//! A plugin that is being revoked: no call of it begins any more, although the catalog does not say so
//! yet.

use keyway_plugin_api::PluginId;

use crate::catalog::{Operation, Plan};
use crate::engine::Engine;
use crate::gate::Standing;

/// Refuses a plugin's calls from the operator's word on, and not only once that word is on the disk.
/// What is dropped before the catalog says the same lets them in again.
#[must_use]
pub(super) struct Withheld<'a> {
    engine: &'a Engine,
    plugin: PluginId,
    standing: Standing,
}

impl<'a> Withheld<'a> {
    /// Refuses the calls of the plugin that a plan revokes.
    pub(super) fn by(engine: &'a Engine, plan: &Plan) -> Option<Self> {
        let Operation::Revoke { plugin, .. } = plan.operation() else {
            return None;
        };
        let cell = engine.cell(plugin)?;
        let _writer = engine.change_cells();
        let standing = cell.load().standing();
        if standing == Standing::Revoked {
            return None;
        }
        cell.set_standing(Standing::Revoked);
        Some(Self {
            engine,
            plugin: plugin.clone(),
            standing,
        })
    }
}

impl Drop for Withheld<'_> {
    fn drop(&mut self) {
        let Some(cell) = self.engine.cell(&self.plugin) else {
            return;
        };
        let _writer = self.engine.change_cells();
        // Somebody else may have revoked it meanwhile.
        let is_final = self.engine.catalog.snapshot().is_revoked(&self.plugin);
        if !is_final && cell.load().standing() == Standing::Revoked {
            cell.set_standing(self.standing);
        }
    }
}
