//! Tests of MCP, with real child processes and real servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and prints what it saw"
)]

#[path = "../../../../tests/judges/judges.rs"]
mod judges;

mod conformance;
mod hostile;
mod jail;
mod kit;
mod launches;
mod real_servers;
mod serving;
mod telemetry;
