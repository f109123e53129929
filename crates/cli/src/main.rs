//! `keyway`: the command of operators and plugin authors.

mod args;
mod author;
mod command;
mod failure;
mod lookup;
mod output;
mod render;
mod session;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let as_json = cli.global.json;
    match command::run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(as_json),
    }
}
