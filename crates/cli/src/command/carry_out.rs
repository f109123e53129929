//! Plans an operation or carries it out, and says what happened and what comes next.

use keyway_host::catalog::{Authority, CatalogOperationResult, Operation};

use super::Mode;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Plans an operation or carries it out, and says what happened.
pub(super) fn carry_out(
    session: &Session,
    operation: &Operation,
    mode: Mode,
) -> Result<(), Failure> {
    if mode.dry_run {
        return show_plan(session, operation, mode);
    }
    let done = session.apply(operation)?;
    session.heard().iter().for_each(output::heard);
    if mode.json {
        return output::json(&done);
    }
    output::line(output::shown(&done.result.message));
    next_step(&done.result);
    Ok(())
}

fn show_plan(session: &Session, operation: &Operation, mode: Mode) -> Result<(), Failure> {
    let plan = session.plan(operation)?;
    if mode.json {
        return output::json(&plan);
    }
    for line in plan.to_string().lines() {
        output::line(output::shown(line));
    }
    output::line("Nothing was changed: this is only the plan.");
    Ok(())
}

/// Says what an operator has to do before the plugin, or its update, runs.
fn next_step(result: &CatalogOperationResult) {
    let Some(entry) = &result.new_state else {
        return;
    };
    let name = &entry.manifest.name;
    if entry.keyway.pending_update.is_some() {
        output::help(format_args!(
            "to let the update in: keyway plugin approve {name}"
        ));
        output::help(format_args!("to refuse it: keyway plugin deny {name}"));
    } else if entry.keyway.authority == Authority::PendingApproval {
        output::help(format_args!("to let it run: keyway plugin approve {name}"));
        output::help(format_args!("to see more of it: keyway plugin info {name}"));
    }
}
