//! Removing a plugin, and what becomes of its state.

use keyway_host::catalog::StateDecision;
use keyway_plugin_api::PluginId;

use super::carry_out::carry_out;
use super::{Mode, operation};
use crate::args::UninstallArgs;
use crate::failure::Failure;
use crate::session::Session;

/// Removes a plugin, after its state was exported and before it is thrown away.
pub(super) fn uninstall(
    session: &Session,
    args: &UninstallArgs,
    mode: Mode,
) -> Result<(), Failure> {
    let operation = operation::uninstall(args)?;
    if mode.dry_run {
        return carry_out(session, &operation, mode);
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
    carry_out(session, &operation, mode)?;
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
