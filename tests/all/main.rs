//! Behaviour tests of the keyway workspace: one package, one binary, a folder per subject.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a child tells its parent what it did"
)]
mod audit;
mod authoring;
mod catalog;
mod cli;
mod effects;
mod gate;
mod host;
#[path = "../judges/judges.rs"]
mod judges;
mod kit;
mod manifest;
mod model;
mod quickstart;
mod schema;
mod support;
mod text;
mod tidy;
