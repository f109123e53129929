//! The edge to the terminal: what is printed, and where.
//!
//! Results go to standard output, warnings and failures to standard error. Colour is dropped
//! where the stream is not a terminal. Text that a plugin brought goes through [`shown`] first;
//! JSON escapes control characters by itself.

use std::fmt;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use keyway_plugin_api::LogLevel;
use serde::Serialize;

use crate::failure::Failure;
use crate::session::Heard;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

/// Returns a plugin's text in a form that is safe on a terminal and stays on one line.
pub(crate) fn shown(text: &str) -> String {
    keyway_host::text::printable(text).into_owned()
}

/// Prints one line of a result.
///
/// A reader that went away (`keyway … | head`) is not a failure of the operation.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Prints a value as JSON, indented.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::not_json(&e))?;
    let _ = writeln!(io::stdout(), "{text}");
    Ok(())
}

/// Prints a warning.
pub(crate) fn warning(text: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{YELLOW}warning{RESET}: {text}");
}

/// Prints what an operator should hear, as loudly as it is.
pub(crate) fn heard(heard: &Heard) {
    let message = shown(&heard.message);
    if heard.level >= LogLevel::Warn {
        warning(message);
    } else {
        note(message);
    }
}

/// Prints something good to know.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "{CYAN}note{RESET}: {text}");
}

/// Prints a next step.
pub(crate) fn help(text: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "  {CYAN}help{RESET}: {text}");
}

/// Prints a failure, for programs on standard output, for people on standard error, and returns
/// the exit code, 1.
pub(crate) fn failure(failure: &Failure, as_json: bool) -> ExitCode {
    if !as_json || json(failure).is_err() {
        for_people(failure);
    }
    ExitCode::FAILURE
}

fn for_people(failure: &Failure) {
    let (message, code) = (shown(failure.message()), failure.code());
    let _ = writeln!(anstream::stderr(), "{RED}error{RESET}: {message} [{code}]");
    for line in failure.details() {
        remark(shown(line));
    }
    for hint in failure.hints() {
        help(shown(hint));
    }
}

/// Prints what is wrong with a command line, which brings its own layout.
pub(crate) fn usage(text: &str) {
    let _ = write!(anstream::stderr(), "{text}");
}

/// Prints a remark that belongs to a failure or a warning.
pub(crate) fn remark(text: impl fmt::Display) {
    let _ = writeln!(anstream::stderr(), "  {text}");
}

/// Tells whether a person can be asked.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question; anything but `y` and `yes` is no.
pub(crate) fn ask(question: impl fmt::Display) -> bool {
    let _ = write!(anstream::stderr(), "{question} [y/N] ");
    let _ = anstream::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes")
}
