//! `keyway plugin`: operations on the catalog.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keyway_host::rank::Precedence;

use super::value::{Setting, reason};
use super::{InstallTrust, Lifetime};

const EXAMPLES: &str = "\
Examples:
  keyway plugin list
  keyway plugin install ./my-plugins/custom-memory
  keyway plugin approve custom-memory --expires-in 7d
  keyway plugin disable custom-memory --dry-run

A plugin that brings code or asks for a capability waits until an operator approves it:
it runs nothing and holds no slot before that.";

/// `keyway plugin`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct PluginArgs {
    /// Print what the operation would do and change nothing.
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) dry_run: bool,
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List plugins and their state, by precedence and name.
    List(ListArgs),
    /// Show everything known about one plugin.
    #[command(after_help = "Example:\n  keyway plugin info deepseek-llm")]
    Info {
        /// The plugin.
        name: String,
    },
    /// Show what one plugin was granted and what it still asks for.
    #[command(after_help = "Example:\n  keyway plugin grants github-tools")]
    Grants {
        /// The plugin.
        name: String,
    },
    /// List the rules about optional tools that allow and disallow made.
    #[command(after_help = "Example:\n  keyway plugin rules")]
    Rules,
    /// List what agents proposed.
    #[command(after_help = "Example:\n  keyway plugin proposals")]
    Proposals,
    /// Print what an operation would do and change nothing; the same as --dry-run.
    #[command(after_help = "Example:\n  keyway plugin plan disable notes --cascade")]
    Plan {
        #[command(subcommand)]
        change: Change,
    },
    #[command(flatten)]
    Change(Change),
}

/// An operation that changes the catalog.
#[derive(Debug, Subcommand)]
pub(crate) enum Change {
    /// Install a package from a folder or by name.
    Install(InstallArgs),
    /// Enable a plugin: it takes its slot, if it may.
    #[command(after_help = "Example:\n  keyway plugin enable deepseek-llm\n\n\
        A plugin of strictly higher precedence displaces the one that holds the slot.\n\
        Otherwise disable that one first: nobody is displaced by an equal.")]
    Enable {
        /// The plugin.
        name: String,
    },
    /// Disable a plugin and free its slot; the entry stays.
    Disable(DisableArgs),
    /// Read a plugin's package again, and restart it where it runs.
    #[command(after_help = "Example:\n  keyway plugin reload deepseek-llm\n\n\
        A package that asks for more than before waits for approval;\n\
        the version in use keeps working until then.")]
    Reload {
        /// The plugin.
        name: String,
    },
    /// Take in a new version of a plugin, enabled or not.
    Update(UpdateArgs),
    /// Remove a plugin from the catalog.
    Uninstall(UninstallArgs),
    /// Approve a plugin, with the capabilities named.
    Approve(ApproveArgs),
    /// Refuse a plugin, or one capability of it.
    Deny(DenyArgs),
    /// Revoke a plugin: final, for every version, also after reinstalling.
    Revoke(RevokeArgs),
    /// Take one grant away; the plugin goes on where it can do without.
    #[command(after_help = "Example:\n  keyway plugin ungrant github-tools filesystem:read:./repo")]
    Ungrant {
        /// The plugin.
        name: String,
        /// The grant, by its tag.
        tag: String,
    },
    /// Lift a revocation, so that the plugin can be installed again.
    #[command(
        after_help = "Example:\n  keyway plugin clear-revocation leaky-tools\n\n\
        The plugin is not installed or approved by this; what it was granted is gone."
    )]
    ClearRevocation {
        /// The plugin.
        name: String,
    },
    /// Change the settings of a plugin; it restarts with them where it runs.
    Configure(ConfigureArgs),
    /// Say where a plugin applies: everywhere, an organisation, a team, an agent.
    Scope(ScopeArgs),
    /// Allow an optional tool, all of a plugin's, or a group's.
    Allow(AllowArgs),
    /// Forbid a tool, all of a plugin's, or a group's; wins over allow.
    Disallow(AllowArgs),
    /// Forget a rule that allow or disallow made.
    Forget(AllowArgs),
    /// Propose a package, for an operator to look at; installs nothing.
    Propose(ProposeArgs),
    /// Take a proposal off the list.
    #[command(after_help = "Example:\n  keyway plugin drop-proposal proposal-1")]
    DropProposal {
        /// The proposal, as `keyway plugin proposals` lists it.
        id: String,
    },
}

/// `keyway plugin list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keyway plugin list --slot llm\n  \
    keyway plugin list --json | jq '.slotAssignments'")]
pub(crate) struct ListArgs {
    /// Only plugins that are enabled.
    #[arg(long)]
    pub(crate) enabled: bool,
    /// Only plugins of this slot: memory, llm, proof, telemetry or custom.
    #[arg(long, value_name = "SLOT")]
    pub(crate) slot: Option<String>,
}

/// `keyway plugin install`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    keyway plugin install deepseek-llm\n  \
    keyway plugin install ./my-plugins/custom-memory\n  \
    keyway plugin install ./github-tools --approve --grant filesystem:read:./repo\n\n\
    A path contains `/`, starts with `.` or is a folder with a plugin.json. A name is looked up in\n\
    DIR/packages/NAME, in each folder of KEYWAY_PLUGIN_PATH, then in ./plugins/NAME.")]
pub(crate) struct InstallArgs {
    /// A name, or the path of a package.
    #[arg(value_name = "NAME-OR-PATH")]
    pub(crate) source: String,
    /// Rank in a contest for a slot: workspace, user or builtin.
    #[arg(long, value_name = "RANK", default_value_t = Precedence::User)]
    pub(crate) precedence: Precedence,
    /// How far the source is believed.
    #[arg(long, value_name = "TIER", value_enum, default_value_t = InstallTrust::Community)]
    pub(crate) trust: InstallTrust,
    /// Where it applies: `*`, `org`, `org/team` or `org/team/agent`.
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
    /// Approve it in the same step.
    #[arg(long)]
    pub(crate) approve: bool,
    /// Grant this optional request too, by its tag (with --approve; repeatable).
    #[arg(long, value_name = "TAG", requires = "approve", conflicts_with = "all")]
    pub(crate) grant: Vec<String>,
    /// Grant every optional request too (with --approve).
    #[arg(long, requires = "approve")]
    pub(crate) all: bool,
}

/// `keyway plugin update`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keyway plugin update github-tools\n  \
    keyway plugin update github-tools ./github-tools-0.2\n\n\
    A version that asks for no more than the approved one is taken in at once; a wider one\n\
    waits, with a list of what it changes, and the old one goes on.")]
pub(crate) struct UpdateArgs {
    /// The plugin.
    pub(crate) name: String,
    /// Name or path of the new package [default: where it was installed from].
    #[arg(value_name = "NAME-OR-PATH")]
    pub(crate) source: Option<String>,
}

/// `keyway plugin disable`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keyway plugin disable otel-telemetry")]
pub(crate) struct DisableArgs {
    /// The plugin.
    pub(crate) name: String,
    /// Disable the plugins that need it too, those first.
    #[arg(long)]
    pub(crate) cascade: bool,
}

/// `keyway plugin uninstall`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keyway plugin uninstall otel-telemetry\n  \
    keyway plugin uninstall notes --export-state notes-state.json")]
pub(crate) struct UninstallArgs {
    /// The plugin.
    pub(crate) name: String,
    /// Uninstall the plugins that need it too, those first.
    #[arg(long)]
    pub(crate) cascade: bool,
    /// Throw away the state it owns.
    #[arg(long, group = "state")]
    pub(crate) discard_state: bool,
    /// Write the state it owns to this new file, then remove it.
    #[arg(long, value_name = "FILE", group = "state")]
    pub(crate) export_state: Option<PathBuf>,
    /// Leave the state it owns where it is, for a later installation.
    #[arg(long, group = "state")]
    pub(crate) keep_state: bool,
}

/// `keyway plugin approve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    keyway plugin approve github-tools\n  \
    keyway plugin approve github-tools --grant filesystem:read:./repo --expires-in 7d\n  \
    keyway plugin approve github-tools --all --scope acme/support --uses 100\n\n\
    Everything it requires is granted: to refuse a part of that is to deny the plugin. What it\n\
    asks for as optional is granted where --grant or --all says so. `keyway plugin grants NAME`\n\
    shows the tags. A waiting update is let in by the same command.")]
pub(crate) struct ApproveArgs {
    /// The plugin.
    pub(crate) name: String,
    /// Grant this optional request too, by its tag (repeatable).
    #[arg(long, value_name = "TAG", conflicts_with = "all")]
    pub(crate) grant: Vec<String>,
    /// Grant every optional request too.
    #[arg(long)]
    pub(crate) all: bool,
    /// For callers here only: `*`, `org`, `org/team` or `org/team/agent`.
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
    /// Let the grants end after this time: 90s, 30m, 12h, 7d, 2w.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_in: Option<Lifetime>,
    /// Let the grants end after this many uses.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) uses: Option<u64>,
}

/// `keyway plugin deny`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keyway plugin deny github-tools --reason \"not reviewed\"\n  \
    keyway plugin deny github-tools --capability secret:GITHUB_TOKEN"
)]
pub(crate) struct DenyArgs {
    /// The plugin.
    pub(crate) name: String,
    /// Refuse this request only, by its tag.
    #[arg(long, value_name = "TAG")]
    pub(crate) capability: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, value_name = "WHY")]
    pub(crate) reason: Option<String>,
}

/// `keyway plugin revoke`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keyway plugin revoke leaky-tools --reason \"sent data to an unknown host\""
)]
pub(crate) struct RevokeArgs {
    /// The plugin.
    pub(crate) name: String,
    /// Why, for the audit trail.
    #[arg(long, value_name = "WHY", value_parser = reason)]
    pub(crate) reason: String,
}

/// `keyway plugin configure`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    keyway plugin configure weather units=metric days=5\n  \
    keyway plugin configure weather 'cities=[\"Oslo\", \"Rome\"]' --unset days\n  \
    keyway plugin configure weather --reset\n\n\
    `keyway plugin info NAME` shows what can be set and what is. Every value must fit the schema in\n\
    the plugin's manifest. A secret is no setting: plugins ask for secrets by name.")]
pub(crate) struct ConfigureArgs {
    /// The plugin.
    pub(crate) name: String,
    /// A setting and its value: text where the setting is text, else JSON.
    #[arg(value_name = "KEY=VALUE", required_unless_present_any = ["unset", "reset"])]
    pub(crate) set: Vec<Setting>,
    /// Take a setting back (repeatable).
    #[arg(long, value_name = "KEY")]
    pub(crate) unset: Vec<String>,
    /// Take every setting back.
    #[arg(long, conflicts_with_all = ["set", "unset"])]
    pub(crate) reset: bool,
}

/// `keyway plugin scope`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keyway plugin scope notes acme/support\n  \
    keyway plugin scope notes '*'")]
pub(crate) struct ScopeArgs {
    /// The plugin.
    pub(crate) name: String,
    /// `*`, `org`, `org/team` or `org/team/agent`.
    pub(crate) scope: String,
}

/// `keyway plugin allow`, `disallow` and `forget`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keyway plugin allow github-tools/open_pr\n  \
    keyway plugin allow github-tools\n  keyway plugin disallow group:write"
)]
pub(crate) struct AllowArgs {
    /// `plugin/tool`, a plugin, or `group:NAME`.
    #[arg(value_name = "TOOL|PLUGIN|GROUP")]
    pub(crate) target: String,
    /// For callers here only: `*`, `org`, `org/team`, `org/team/agent` [default: *].
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
}

/// `keyway plugin propose`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keyway plugin propose ./github-tools --why \"the agent cannot read issues\""
)]
pub(crate) struct ProposeArgs {
    /// Where the package is.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// What it would be good for.
    #[arg(long, value_name = "WHY", value_parser = reason)]
    pub(crate) why: String,
}
