//! `keyway`: the command of operators and plugin authors.

mod args;
mod author;
mod command;
mod failure;
mod lookup;
mod nearest;
mod output;
mod render;
mod session;

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};

use crate::args::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(error),
    };
    let as_json = cli.global.json;
    match command::run(cli) {
        Ok(code) => code,
        Err(failure) => output::failure(&failure, as_json),
    }
}

/// Says what is wrong with the command line, or shows the help that was asked for.
///
/// An argument may hold what a plugin or an agent wrote, and is quoted in the message.
fn misread(mut error: clap::Error) -> ExitCode {
    if let Some(command) = args::meant(&error) {
        let tip = format!("there is `{command}`");
        let _ = error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    let text = error.render().to_string();
    let safe = keyway_host::text::printable_lines(&text);
    if safe == text {
        // Coloured where the terminal can show it; a closed pipe is nobody's failure.
        let _ = error.print();
    } else {
        output::usage(&safe);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
