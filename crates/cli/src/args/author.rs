//! The commands of plugin authors.

use std::path::PathBuf;

use clap::Args;

use crate::author::kit::{Language, Placement};

const NEW: &str = "\
Examples:
  keyway new weather-tools                     compiled into a host
  keyway new weather-tools --runtime process   Rust, as a process of its own
  keyway new weather-tools --language python

The README that it writes says how to go on.";

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
    /// What to write it in; Python and Node run as processes of their own.
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value = "rust")]
    pub(crate) language: Language,
    /// Compiled into a host, or a process of its own [default: linked in Rust].
    #[arg(long, value_name = "RUNTIME", value_enum)]
    pub(crate) runtime: Option<Placement>,
    /// Use keyway's crates from this checkout: they are in no registry yet (Rust).
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

const DEV: &str = "\
Examples:
  keyway dev ./weather-tools
  keyway dev ./weather-tools -- make
  echo 'count {\"text\": \"one two\"}' | keyway dev ./text-tools --until-eof

Everything that the package asks for is granted, in a state folder that goes away with the command.
Relative paths of file grants count from the current folder; a granted secret is the environment
variable of its name. The package is reloaded when its digest changes; a version that does not start
leaves the one before running.";

/// `keyway dev`.
#[derive(Debug, Args)]
#[command(after_help = DEV)]
pub(crate) struct DevArgs {
    /// The package, or its plugin.json.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// End when standard input ends.
    #[arg(long)]
    pub(crate) until_eof: bool,
    /// A build to run first and after each change, after `--`. No shell reads it.
    #[arg(last = true, value_name = "BUILD")]
    pub(crate) build: Vec<String>,
}
