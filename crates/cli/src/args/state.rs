//! `keyway state`: what plugins keep.

use std::path::PathBuf;

use clap::Subcommand;

/// What to do with what a plugin keeps.
#[derive(Debug, Subcommand)]
#[command(arg_required_else_help = true)]
pub(crate) enum StateCommand {
    /// Write everything a plugin keeps to a new file, as JSON.
    #[command(after_help = "Example:\n  keyway state export notes notes-state.json")]
    Export {
        /// The plugin, installed or not.
        name: String,
        /// The file; it must not be there yet.
        file: PathBuf,
    },
    /// Replace everything a plugin keeps with what a file holds.
    #[command(
        after_help = "Example:\n  keyway state import notes notes-state.json\n\n\
        The plugin must be installed and hold a grant for state: what is imported has to fit."
    )]
    Import {
        /// The plugin.
        name: String,
        /// A file that `keyway state export` or `uninstall --export-state` wrote.
        file: PathBuf,
    },
}
