//! `keyway call`: answers to calls that wait.

use keyway_host::catalog::{CallAnswer, Operation};

use super::carry_out::carry_out;
use super::{Mode, open};
use crate::args::{CallArgs, CallCommand, Global};
use crate::failure::Failure;
use crate::output;
use crate::render;
use crate::session::Session;

/// Name of the operation in a failure.
const ANSWER: &str = "answer_call";

pub(super) fn run(global: &Global, args: CallArgs) -> Result<(), Failure> {
    let session = open(global)?;
    let mode = Mode {
        json: global.json,
        dry_run: args.dry_run,
    };
    let by = session.operator().clone();
    let (id, answer) = match args.command {
        CallCommand::List => return list(&session, mode),
        CallCommand::Allow {
            id,
            always: false,
            expires_in: _,
        } => (id, CallAnswer::once(by)),
        CallCommand::Allow { id, expires_in, .. } => {
            let end = expires_in.map(|time| session.now_ms() + time.as_ms());
            (id, CallAnswer::standing(by, end))
        }
        CallCommand::Deny { id, reason } => (id, CallAnswer::no(by, reason)),
    };
    let operation = Operation::AnswerCall { id, answer };
    carry_out(&session, &operation, mode).map_err(|failure| failure.during(ANSWER))
}

fn list(session: &Session, mode: Mode) -> Result<(), Failure> {
    let state = session.state();
    let calls = &state.keyway.call_approvals;
    if mode.json {
        return output::json(calls);
    }
    if calls.is_empty() {
        output::note("no call waits");
    }
    for line in render::calls(calls, state.judged_ms(session.now_ms())) {
        output::line(line);
    }
    Ok(())
}
