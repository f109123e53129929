//! What plugins keep: exported and imported.

use keyway_host::catalog::CatalogEntry;
use keyway_plugin_api::Capability;
use serde_json::json;

use super::{open, operation};
use crate::args::{Global, StateCommand};
use crate::failure::Failure;
use crate::output;

pub(super) fn run(global: &Global, command: StateCommand) -> Result<(), Failure> {
    let session = open(global)?;
    let (plugin, message) = match command {
        StateCommand::Export { name, file } => {
            let plugin = operation::plugin(&name)?;
            session.states().export(&plugin, &file)?;
            let told = format!("Exported the state of {plugin} to {}.", file.display());
            (plugin, told)
        }
        StateCommand::Import { name, file } => {
            let plugin = operation::plugin(&name)?;
            let entry = session.entry(&plugin)?;
            let quota = quota(&entry)?;
            session.note(
                &plugin,
                format!("its state is replaced by {}", session.operator()),
            )?;
            session.states().import(&plugin, &file, quota)?;
            let told = format!("Imported the state of {plugin} from {}.", file.display());
            (plugin, told)
        }
    };
    if global.json {
        return output::json(&json!({ "success": true, "pluginId": plugin, "message": message }));
    }
    output::line(output::shown(&message));
    Ok(())
}

/// Returns how much a plugin may keep.
fn quota(entry: &CatalogEntry) -> Result<u64, Failure> {
    let granted = entry
        .keyway
        .grants
        .iter()
        .filter_map(|grant| match grant.capability {
            Capability::State { quota_bytes } => Some(quota_bytes),
            _ => None,
        });
    let name = &entry.manifest.name;
    granted.max().ok_or_else(|| {
        Failure::new(
            "CAPABILITY_DENIED",
            format_args!("{name} holds no grant for state"),
        )
        .hint(format!("keyway plugin approve {name} --grant state"))
    })
}
