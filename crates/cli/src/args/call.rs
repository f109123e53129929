//! `keyway call`: calls that wait for an operator.

use clap::{Args, Subcommand};

use super::Lifetime;

const EXAMPLES: &str = "\
Examples:
  keyway call list
  keyway call allow ID
  keyway call deny ID --reason \"not on a Friday\"

An agent that is told to wait makes the same call again once it is allowed.";

/// `keyway call`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct CallArgs {
    /// Print what the answer would do and change nothing.
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) dry_run: bool,
    #[command(subcommand)]
    pub(crate) command: CallCommand,
}

/// What to do with a waiting call.
#[derive(Debug, Subcommand)]
pub(crate) enum CallCommand {
    /// List the calls that wait and the answers that still hold.
    #[command(after_help = "Example:\n  keyway call list --json | jq 'keys'")]
    List,
    /// Let a call through: this tool, this caller, these arguments, once.
    #[command(after_help = "Examples:\n  keyway call allow ID\n  \
        keyway call allow ID --always --expires-in 12h")]
    Allow {
        /// The call, as `keyway call list` names it.
        id: String,
        /// Let this caller call this tool again, whatever the arguments.
        #[arg(long)]
        always: bool,
        /// Let --always end after this time: 90s, 30m, 12h, 7d, 2w.
        #[arg(long, value_name = "TIME", requires = "always")]
        expires_in: Option<Lifetime>,
    },
    /// Refuse a call.
    #[command(after_help = "Example:\n  keyway call deny ID --reason \"not on a Friday\"")]
    Deny {
        /// The call, as `keyway call list` names it.
        id: String,
        /// Why, for the agent and the audit trail.
        #[arg(long, value_name = "WHY", default_value = "an operator said no")]
        reason: String,
    },
}
