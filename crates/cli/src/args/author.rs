//! The commands of plugin authors.

use std::path::PathBuf;

use clap::Args;

const NEW: &str = "\
Example:
  keyway new weather-tools
  cd weather-tools && cargo test";

const CHECK: &str = "\
Examples:
  keyway check                  the package in this folder
  keyway check ./weather-tools
  keyway check --json | jq '.problems[].path'

Exits 1 when there is a problem, so it fits a CI job.";

/// `keyway new`.
#[derive(Debug, Args)]
#[command(after_help = NEW)]
pub(crate) struct NewArgs {
    /// Name of the plugin: a-z, 0-9 and single hyphens.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Folder to create [default: ./NAME].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Use keyway's crates from this checkout instead of the registry.
    #[arg(long, value_name = "PATH")]
    pub(crate) keyway_path: Option<PathBuf>,
}

/// `keyway check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub(crate) struct CheckArgs {
    /// The package, or its plugin.json.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
}
