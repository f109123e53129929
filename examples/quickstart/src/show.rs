//! How calls and plugins are shown: what happened, in how many milliseconds, and what to do next.

use keyway_host::{CallError, Outcome};

use crate::model::ToolCall;
use crate::screen::{Mark, Screen, brief};

/// Columns of a call before its outcome.
const CALL_WIDTH: usize = 58;

/// Shows a call and what became of it.
pub(crate) fn call(
    screen: &mut Screen,
    call: &ToolCall,
    outcome: &Result<Outcome, CallError>,
    ms: i64,
) {
    let called = format!("{} {}", call.tool, call.arguments);
    let called = format!("{:CALL_WIDTH$} {ms:>4} ms  ", shortened(&called));
    match outcome {
        Ok(Outcome::Done(output)) => {
            let said = brief(&output.to_value());
            screen.line(Mark::Good, &format!("{called}{said}"));
        }
        Ok(_) => screen.line(Mark::Plain, &format!("{called}waits for an operator")),
        Err(error) => refused(screen, &called, error),
    }
}

/// Makes a call that no model asked for.
pub(crate) fn sample_call(tool: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: "sample".to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.to_owned(),
    }
}

fn refused(screen: &mut Screen, called: &str, error: &CallError) {
    let Some(denial) = error.denial() else {
        screen.line(Mark::Bad, &format!("{called}{}", error.code()));
        screen.whole_line(Mark::Plain, &format!("  {error}"));
        return;
    };
    screen.line(Mark::Bad, &format!("{called}denied"));
    screen.whole_line(Mark::Plain, &format!("  missing   {}", denial.asked));
    if let Some(command) = &denial.command {
        screen.whole_line(Mark::Plain, &format!("  to allow  {command}"));
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= CALL_WIDTH {
        return text.to_owned();
    }
    let head: String = text.chars().take(CALL_WIDTH - 1).collect();
    head + "…"
}
