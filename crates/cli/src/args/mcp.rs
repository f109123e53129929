//! `keyway mcp`: MCP servers as plugins, and a host as an MCP server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use keyway_host::rank::Trust;

use super::InstallTrust;

const EXAMPLES: &str = "\
Examples:
  keyway mcp add memory -- npx -y @modelcontextprotocol/server-memory@2026.8.31
  keyway mcp add linear --url https://mcp.linear.app/mcp
  keyway mcp import .mcp.json
  keyway plugin approve memory
  keyway mcp serve --as acme/support/triage";

/// `keyway mcp`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct McpArgs {
    #[command(subcommand)]
    pub(crate) command: McpCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Add one MCP server as a plugin. It waits for approval and runs nothing before.
    Add(McpAddArgs),
    /// Add every server of an `mcp.json` or `.mcp.json`.
    Import {
        /// The file.
        #[arg(value_name = "FILE", default_value = ".mcp.json")]
        file: PathBuf,
        /// How far the servers are believed.
        #[arg(long, value_name = "TIER", default_value = "community")]
        trust: InstallTrust,
    },
    /// Serve what an agent may call as an MCP server, on standard input and output or over HTTP.
    Serve(McpServeArgs),
}

/// `keyway mcp add`.
#[derive(Debug, Args)]
pub(crate) struct McpAddArgs {
    /// Name of the server, which is the plugin's: a-z, 0-9 and single hyphens.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Address of a remote server.
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    pub(crate) url: Option<String>,
    /// How far the server is believed.
    #[arg(long, value_name = "TIER", default_value = "community")]
    pub(crate) trust: InstallTrust,
    /// Folder that the server may read, where it runs on this machine.
    #[arg(long, value_name = "DIR")]
    pub(crate) read: Vec<String>,
    /// Folder that the server may write, where it runs on this machine.
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Vec<String>,
    /// The program and its arguments, after `--`. No shell reads them.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// `keyway mcp serve`.
#[derive(Debug, Args)]
pub(crate) struct McpServeArgs {
    /// Agent whose tools are served: `*`, `org`, `org/team` or `org/team/agent`.
    #[arg(long = "as", value_name = "SCOPE", default_value = "*")]
    pub(crate) scope: String,
    /// Address to serve HTTP at, for example 127.0.0.1:8808; standard input and output without it.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
}

impl McpAddArgs {
    pub(crate) fn trust(&self) -> Trust {
        self.trust.into()
    }
}
