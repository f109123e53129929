//! The host's own tools: they claim their names first and need no approval.

use std::sync::Arc;

use keyway_plugin_api::{PluginId, Tool};

use crate::audit::AuditEvent;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::gate::{Holdings, HoldingsCell, Standing};
use crate::rank::Trust;
use crate::registry::{Described, Owner, RegistryChange, ToolEntry};

/// The id that owns the host's own tools.
pub(super) const OWNER: &str = "builtin";

pub(super) fn publish(engine: &Engine, tools: Vec<Arc<dyn Tool>>) {
    if tools.is_empty() {
        return;
    }
    let plugin = PluginId::from_static(OWNER);
    let mut holdings = Holdings::none(plugin.clone(), Trust::Builtin, Digest::of(OWNER.as_bytes()));
    holdings.standing = Standing::Running;
    holdings.is_builtin = true;
    let cell = Arc::new(HoldingsCell::new(holdings));
    let mut cells = (*engine.cells.load_full()).clone();
    cells.insert(plugin.clone(), Arc::clone(&cell));
    engine.cells.store(Arc::new(cells));
    let owner = Owner::new(cell);
    let mut entries = Vec::new();
    for tool in tools {
        let described = Described::of(tool, &engine.limits);
        match ToolEntry::admit(&plugin, &described, false, owner.clone()) {
            Ok(entry) => entries.push(entry),
            Err(kept_out) => engine.audit.record(AuditEvent::ToolQuarantined {
                plugin: plugin.clone(),
                tool: kept_out.tool.tool().as_str().into(),
                reason: kept_out.reason.into(),
            }),
        }
    }
    engine.registry.publish(RegistryChange {
        remove: Vec::new(),
        add: vec![(plugin, entries)],
    });
}
