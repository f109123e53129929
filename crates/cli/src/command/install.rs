//! Packages on their way into the catalog: found, read, shown, approved.

use keyway_host::catalog::{Candidate, Operation};
use keyway_host::rank::Trust;

use super::{Mode, operation};
use crate::args::{InstallArgs, UpdateArgs};
use crate::failure::Failure;
use crate::lookup::SearchPath;
use crate::output;
use crate::render;
use crate::session::Session;

/// Name of the variable with more folders to look for packages in.
const PLUGIN_PATH: &str = "KEYWAY_PLUGIN_PATH";

pub(super) fn install(
    session: &Session,
    args: &InstallArgs,
    mode: Mode,
) -> Result<Operation, Failure> {
    let mut candidate = found(session, &args.source)?
        .with_precedence(args.precedence)
        .with_trust(args.trust.into());
    if let Some(text) = &args.scope {
        candidate = candidate.with_scope(operation::scope(text)?);
    }
    if waits(&candidate) && !mode.json {
        show_requests(&candidate);
    }
    if args.approve || (may_ask(&candidate, mode) && output::ask("Let it run?")) {
        let approval = operation::approval(session, &args.grant, args.all);
        candidate = candidate.with_approval(approval);
    }
    let candidate = Box::new(candidate);
    Ok(Operation::Install { candidate })
}

fn waits(candidate: &Candidate) -> bool {
    candidate.trust != Trust::Builtin && candidate.declared.needs_approval()
}

fn may_ask(candidate: &Candidate, mode: Mode) -> bool {
    waits(candidate) && !mode.json && !mode.dry_run && output::can_ask()
}

fn show_requests(candidate: &Candidate) {
    let mut lines = render::asks(candidate).into_iter();
    if let Some(first) = lines.next() {
        output::note(first);
    }
    lines.for_each(output::remark);
}

fn found(session: &Session, source: &str) -> Result<Candidate, Failure> {
    let path = std::env::var_os(PLUGIN_PATH);
    let folder = SearchPath::new(session.dir(), path.as_deref()).find(source)?;
    session.candidate(&folder)
}

pub(super) fn reload(session: &Session, name: &str) -> Result<Operation, Failure> {
    let plugin = operation::plugin(name)?;
    let candidate = Box::new(session.read_again(&plugin)?);
    Ok(Operation::Reload { plugin, candidate })
}

pub(super) fn update(session: &Session, args: &UpdateArgs) -> Result<Operation, Failure> {
    let plugin = operation::plugin(&args.name)?;
    let entry = session.entry(&plugin)?;
    let candidate = match &args.source {
        Some(source) => found(session, source)?
            .with_precedence(entry.precedence)
            .with_trust(entry.keyway.trust)
            .with_scope(entry.keyway.scope.clone()),
        None => session.read_again(&plugin)?,
    };
    let candidate = Box::new(candidate);
    Ok(Operation::Update { plugin, candidate })
}
