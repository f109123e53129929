//! What can be typed: the command line as types.
//!
//! This module names commands, options and their help. It reads nothing but the command line
//! and the environment variables it names, and decides nothing.

mod audit;
mod author;
mod call;
#[cfg(feature = "mcp")]
mod mcp;
mod plugin;
mod state;
mod tool;
mod value;

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, Subcommand};

pub(crate) use audit::{AuditCommand, AuditListArgs};
pub(crate) use author::{CheckArgs, DevArgs, NewArgs};
pub(crate) use call::{CallArgs, CallCommand};
#[cfg(feature = "mcp")]
pub(crate) use mcp::{McpAddArgs, McpArgs, McpCommand, McpServeArgs};
pub(crate) use plugin::{
    AllowArgs, ApproveArgs, Change, ConfigureArgs, DenyArgs, InstallArgs, ListArgs, PluginArgs,
    PluginCommand, ProposeArgs, RevokeArgs, ScopeArgs, UninstallArgs, UpdateArgs,
};
pub(crate) use state::StateCommand;
pub(crate) use tool::{ToolArgs, ToolCommand};
pub(crate) use value::{InstallTrust, Lifetime};

const OVERVIEW: &str = "\
Start here:
  keyway plugin list                     what is installed, and its state
  keyway plugin install ./my-plugin      install a package; shows what it asks for
  keyway plugin approve NAME             let it run with what it requires
  keyway plugin info NAME                everything known about one plugin
  keyway plugin revoke NAME --reason R   stop it for good
  keyway call list                       calls of agents that wait for your answer
  keyway tool list                       what an agent may call
  keyway audit                           what happened, who did it
  keyway new my-plugin                   start writing a plugin
  keyway dev ./my-plugin                 run a package while you change it
  keyway check ./my-plugin               check a package as strictly as it gets
  keyway mcp add NAME -- COMMAND         govern an MCP server like a plugin
  keyway mcp serve                       be an MCP server for other agents

`keyway help COMMAND` explains a command and shows an example of it.";

/// Sees, approves and revokes the plugins of an agent runtime.
#[derive(Debug, Parser)]
#[command(name = "keyway", version, after_help = OVERVIEW)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// State folder [env: KEYWAY_DIR] [default: .keyway].
    // Clap's own `env` and default would also fill the `--dir` of `keyway new`, which is another.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Who is acting, for the audit trail [default: $USER, or "operator"].
    #[arg(long, global = true, value_name = "OPERATOR")]
    pub(crate) by: Option<String>,
}

impl Global {
    /// Returns the state folder: the option, else `KEYWAY_DIR`, else `.keyway`.
    pub(crate) fn dir(&self) -> PathBuf {
        let given = self.dir.clone().map(PathBuf::into_os_string);
        let given = given.or_else(|| std::env::var_os("KEYWAY_DIR"));
        let given = given.filter(|dir| !dir.is_empty());
        given.unwrap_or_else(|| ".keyway".into()).into()
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Manage plugins: list, install, approve, enable, revoke and more.
    #[command(visible_alias = "plugins")]
    Plugin(PluginArgs),
    /// Answer calls of agents that wait for an operator.
    #[command(visible_alias = "calls")]
    Call(CallArgs),
    /// List, call and explain the tools that an agent may call.
    #[command(visible_alias = "tools")]
    Tool(ToolArgs),
    /// Take away or bring back what a plugin keeps.
    State {
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Show and verify the record of what happened.
    #[command(after_help = audit::EXAMPLES)]
    Audit {
        #[command(subcommand)]
        command: Option<AuditCommand>,
        #[command(flatten)]
        list: AuditListArgs,
    },
    /// Govern MCP servers like plugins, and serve an agent's tools over MCP.
    #[cfg(feature = "mcp")]
    Mcp(McpArgs),
    /// Start a new plugin crate.
    New(NewArgs),
    /// Run a package while it is being changed; everything it asks for is granted.
    Dev(DevArgs),
    /// Check a plugin package and list every problem.
    Check(CheckArgs),
}

/// Returns the command that somebody meant who left its group out, or put one where none belongs.
pub(crate) fn meant(error: &clap::Error) -> Option<String> {
    let ContextValue::String(word) = error.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    let all = Cli::command();
    if all.find_subcommand(word).is_some() {
        return Some(format!("keyway {word}"));
    }
    let mut groups = all.get_subcommands();
    groups.find_map(|group| {
        let command = group.find_subcommand(word)?;
        Some(format!(
            "keyway {} {}",
            group.get_name(),
            command.get_name()
        ))
    })
}
