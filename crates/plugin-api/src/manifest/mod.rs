//! The manifest: the author's checked declaration, parsed once from `plugin.json`.
//!
//! This module reads bytes and says everything that is wrong with them. It never opens a file,
//! never fetches a schema and never decides what a plugin gets.

mod choice;
mod contributes;
mod error;
mod extension;
mod json;
mod parse;
mod report;
mod requests;
mod schema;
mod standard;
mod types;

pub use error::{ManifestError, Notice, Problem};
pub use types::{
    Activation, Contributions, Dependency, Manifest, RuntimeKind, RuntimeSpec, StateSpec,
    ToolContribution,
};
