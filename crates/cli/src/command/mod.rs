//! What each command does.

mod audit;
mod author;
mod call;
mod carry_out;
mod change;
mod configure;
mod dev;
mod install;
#[cfg(feature = "mcp")]
mod mcp;
mod operation;
mod query;
mod state;
mod tool;
mod uninstall;

use std::path::Path;
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
        Some(Command::Call(args)) => call::run(&cli.global, args)?,
        Some(Command::Tool(args)) => tool::run(&cli.global, &args)?,
        Some(Command::State { command }) => state::run(&cli.global, command)?,
        Some(Command::Audit { command, list }) => audit::run(&cli.global, command, list)?,
        #[cfg(feature = "mcp")]
        Some(Command::Mcp(args)) => mcp::run(&cli.global, args)?,
        Some(Command::Dev(args)) => dev::run(&cli.global, &args)?,
        Some(Command::New(args)) => return author::new(args, as_json),
        Some(Command::Check(args)) => return author::check_package(&args, as_json),
    }
    Ok(ExitCode::SUCCESS)
}

fn overview() {
    output::line(Cli::command().render_help().ansi());
}

/// Opens the state folder, and greets.
fn open(global: &Global) -> Result<Session, Failure> {
    let session = Session::open(global)?;
    greet(&session);
    Ok(session)
}

/// Says what had to be repaired in a state folder, or is lost.
fn greet(session: &Session) {
    session.heard().iter().for_each(output::heard);
    // A trail that cannot be read is reported by the commands that are about it.
    let lost = session.lost_plugins().unwrap_or(0);
    if lost > 0 {
        output::warning(format_args!(
            "the catalog is empty, but the trail knows of {lost} plugins"
        ));
        output::help(put_back(session.dir()));
    }
}

/// Says how to restore a catalog from the trail.
fn put_back(dir: &Path) -> String {
    let file = output::shown(&dir.join("plugins.json").to_string_lossy());
    format!("to put back what the trail adds up to: keyway audit replay --json > {file}")
}

fn plugin(global: &Global, args: PluginArgs) -> Result<(), Failure> {
    let session = open(global)?;
    let mode = Mode {
        json: global.json,
        dry_run: args.dry_run || matches!(args.command, PluginCommand::Plan { .. }),
    };
    let done = match args.command {
        PluginCommand::List(list) => query::list(&session, &list, mode),
        PluginCommand::Info { name } => query::info(&session, &name, mode),
        PluginCommand::Grants { name } => query::grants(&session, &name, mode),
        PluginCommand::Proposals => query::proposals(&session, mode),
        PluginCommand::Rules => query::rules(&session, mode),
        PluginCommand::Plan { change } | PluginCommand::Change(change) => {
            change::run(&session, change, mode)
        }
    };
    done.map_err(|failure| session.guess(failure))
}
