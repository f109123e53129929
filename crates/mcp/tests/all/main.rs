//! Tests of MCP, with real child processes and real servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and prints what it saw"
)]

#[path = "../../../../tests/all/support/binaries.rs"]
mod binaries;
#[path = "../../../../tests/all/schema/families.rs"]
mod families;
#[path = "../../../../tests/judges/judges.rs"]
mod judges;

mod captives;
mod conformance;
mod hostile;
mod jail;
mod kit;
mod launches;
mod mutations;
mod names;
mod page;
mod places;
mod real_servers;
mod schemas;
mod scripted;
mod serving;
mod sign_in;
mod telemetry;
mod terminal;
mod texts;
