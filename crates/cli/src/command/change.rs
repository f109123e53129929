//! Commands that change the catalog: from what was typed to the operation.

use keyway_host::catalog::Operation;

use super::carry_out::carry_out;
use super::{Mode, configure, install, operation, uninstall};
use crate::args::Change;
use crate::failure::Failure;
use crate::session::Session;

/// Carries out a change, or only plans it.
pub(super) fn run(session: &Session, change: Change, mode: Mode) -> Result<(), Failure> {
    let (name, subject) = named(&change);
    let done = match change {
        Change::Uninstall(args) => uninstall::uninstall(session, &args, mode),
        change => {
            made(session, change, mode).and_then(|operation| carry_out(session, &operation, mode))
        }
    };
    done.map_err(|failure| failure.of(name, subject))
}

/// Returns the operation's name and what the operator named, for a failure.
fn named(change: &Change) -> (&'static str, String) {
    let (name, subject) = match change {
        Change::Allow(args) => ("set_tool_rule", &args.target),
        Change::Approve(args) => ("approve", &args.name),
        Change::ClearRevocation { name } => ("clear_revocation", name),
        Change::Configure(args) => ("configure", &args.name),
        Change::Deny(args) => ("deny", &args.name),
        Change::Disable(args) => ("disable", &args.name),
        Change::Disallow(args) => ("set_tool_rule", &args.target),
        Change::DropProposal { id } => ("drop_proposal", id),
        Change::Enable { name } => ("enable", name),
        Change::Forget(args) => ("forget_tool_rule", &args.target),
        Change::Install(args) => ("install", &args.source),
        Change::Propose(args) => ("propose", &args.source),
        Change::Reload { name } => ("reload", name),
        Change::Revoke(args) => ("revoke", &args.name),
        Change::Scope(args) => ("set_scope", &args.name),
        Change::Ungrant { name, .. } => ("revoke_grant", name),
        Change::Uninstall(args) => ("uninstall", &args.name),
        Change::Update(args) => ("update", &args.name),
    };
    (name, subject.clone())
}

fn made(session: &Session, change: Change, mode: Mode) -> Result<Operation, Failure> {
    match change {
        Change::Allow(args) => operation::rule(session, &args, true),
        Change::Approve(args) => operation::approve(session, &args),
        Change::ClearRevocation { name } => operation::clear_revocation(session, &name),
        Change::Configure(args) => configure::configure(session, args),
        Change::Deny(args) => operation::deny(session, args),
        Change::Disable(args) => Ok(Operation::Disable {
            plugin: operation::plugin(&args.name)?,
            cascade: args.cascade,
        }),
        Change::Disallow(args) => operation::rule(session, &args, false),
        Change::DropProposal { id } => Ok(operation::drop_proposal(session, id)),
        Change::Enable { name } => Ok(Operation::Enable {
            plugin: operation::plugin(&name)?,
        }),
        Change::Forget(args) => operation::forget(session, &args),
        Change::Install(args) => install::install(session, &args, mode),
        Change::Propose(args) => operation::propose(session, args),
        Change::Reload { name } => install::reload(session, &name),
        Change::Revoke(args) => operation::revoke(session, args),
        Change::Scope(args) => operation::set_scope(session, &args),
        Change::Ungrant { name, tag } => operation::ungrant(session, &name, tag),
        Change::Uninstall(args) => operation::uninstall(&args),
        Change::Update(args) => install::update(session, &args),
    }
}
