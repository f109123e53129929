//! `keyway audit`.

use clap::{Args, Subcommand};

pub(super) const EXAMPLES: &str = "\
Examples:
  keyway audit                       the latest events
  keyway audit --plugin notes        what happened to one plugin
  keyway audit list --limit 200
  keyway audit verify                prove that no line was changed or removed
  keyway audit replay                rebuild the catalog from the trail and compare";

/// What to do with the trail.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List events, oldest first.
    List(AuditListArgs),
    /// Verify the chain of digests from the first event to the last.
    Verify {
        /// A head noted earlier, `NUMBER@sha256:HEX`: shows whether the end was cut off since.
        #[arg(long, value_name = "HEAD")]
        against: Option<String>,
    },
    /// Rebuild the catalog from the trail and compare it with the file.
    Replay,
}

/// Which events to list.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuditListArgs {
    /// Only events about this plugin.
    #[arg(long, value_name = "PLUGIN")]
    pub(crate) plugin: Option<String>,
    /// At most this many, the latest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
}
