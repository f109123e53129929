//! What each command does.

mod audit;
mod author;
mod change;
mod install;
mod operation;
mod query;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::{Cli, Command, Global, PluginArgs, PluginCommand};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// How a command answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// JSON for programs instead of text for people.
    pub(crate) json: bool,
    /// Plan only.
    pub(crate) dry_run: bool,
}

/// Runs a command line.
pub(crate) fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let as_json = cli.global.json;
    match cli.command {
        None => overview(),
        Some(Command::Plugin(args)) => plugin(&cli.global, args)?,
        Some(Command::Audit { command, list }) => audit::run(&cli.global, command, list)?,
        Some(Command::New(args)) => return author::new(args, as_json),
        Some(Command::Check(args)) => return author::check_package(&args, as_json),
    }
    Ok(ExitCode::SUCCESS)
}

fn overview() {
    output::line(Cli::command().render_help().ansi());
}

fn plugin(global: &Global, args: PluginArgs) -> Result<(), Failure> {
    let session = Session::open(global)?;
    session.heard().iter().for_each(output::heard);
    let mode = Mode {
        json: global.json,
        dry_run: args.dry_run || matches!(args.command, PluginCommand::Plan { .. }),
    };
    match args.command {
        PluginCommand::List(list) => query::list(&session, &list, mode),
        PluginCommand::Info { name } => query::info(&session, &name, mode),
        PluginCommand::Grants { name } => query::grants(&session, &name, mode),
        PluginCommand::Proposals => query::proposals(&session, mode),
        PluginCommand::Plan { change } | PluginCommand::Change(change) => {
            change::run(&session, change, mode)
        }
    }
}
