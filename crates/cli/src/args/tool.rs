//! `keyway tool`: what agents may call.

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  keyway tool list
  keyway tool list --as acme/support/triage
  keyway tool call text-tools/count '{\"text\": \"one two\"}'
  keyway tool explain github-tools/open_pr --as acme/support/triage
  keyway tool show github-tools/open_pr

These commands start the plugins of the state folder and stop them again. Relative paths of file
grants count from the current folder; a granted secret is the environment variable of its name.";

/// `keyway tool`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct ToolArgs {
    /// Agent that sees, calls or is refused: `*`, `org`, `org/team` or `org/team/agent`.
    #[arg(long = "as", global = true, value_name = "SCOPE", default_value = "*")]
    pub(crate) scope: String,
    #[command(subcommand)]
    pub(crate) command: ToolCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// List the tools that an agent may call now, and the plugins that do not run.
    #[command(after_help = "Example:\n  keyway tool list --json | jq -r '.tools[].id'")]
    List,
    /// Call one tool as the agent would, past the same gate, and print its result.
    #[command(
        after_help = "Example:\n  keyway tool call text-tools/count '{\"text\": \"one two\"}'"
    )]
    Call {
        /// The tool: `plugin/tool`, or its bare name where that names one tool only.
        name: String,
        /// The arguments, a JSON object.
        #[arg(value_name = "JSON", default_value = "{}")]
        arguments: String,
    },
    /// Show every text of one tool that a model may read, and those that read like instructions.
    #[command(after_help = "Example:\n  keyway tool show github-tools/open_pr")]
    Show {
        /// The tool: `plugin/tool`, or its bare name where that names one tool only.
        name: String,
    },
    /// Say whether a call would pass, by which rules, and which command would change that.
    #[command(after_help = "Example:\n  keyway tool explain github-tools/open_pr")]
    Explain {
        /// The tool: `plugin/tool`, or its bare name where that names one tool only.
        name: String,
    },
}
