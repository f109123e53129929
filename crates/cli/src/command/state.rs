//! What plugins keep: exported, imported, and decided about when a plugin is removed.

use keyway_host::catalog::{CatalogEntry, StateDecision};
use keyway_plugin_api::{Capability, PluginId};
use serde_json::json;

use super::{Mode, change, open, operation};
use crate::args::{Global, StateCommand, UninstallArgs};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

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

/// Removes a plugin, after its state was exported and before it is thrown away.
pub(super) fn uninstall(
    session: &Session,
    args: &UninstallArgs,
    mode: Mode,
) -> Result<(), Failure> {
    let operation = operation::uninstall(args)?;
    if mode.dry_run {
        return change::carry_out(session, &operation, mode);
    }
    let plan = session.plan(&operation)?;
    let leaving = |decision| {
        let removals = plan.removals().iter();
        let chosen = removals.filter(move |(_, d)| *d == decision);
        chosen.map(|(id, _)| id.clone()).collect::<Vec<_>>()
    };
    let (exported, discarded) = (
        leaving(StateDecision::Export),
        leaving(StateDecision::Discard),
    );
    refuse_several(&exported)?;
    let going = [exported.as_slice(), &discarded].concat();
    let held = session.states().hold(&going)?;
    if let (Some(file), [plugin]) = (&args.export_state, exported.as_slice()) {
        held.export(plugin, file)?;
    }
    change::carry_out(session, &operation, mode)?;
    held.discard(&going)
}

fn refuse_several(exported: &[PluginId]) -> Result<(), Failure> {
    if exported.len() < 2 {
        return Ok(());
    }
    let names: Vec<_> = exported.iter().map(PluginId::as_str).collect();
    let message = format!(
        "{} own state, and one file holds that of one",
        names.join(", ")
    );
    Err(Failure::new("STATE_UNDECIDED", message).hint("uninstall them one by one"))
}
