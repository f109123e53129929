//! Tests of MCP, with real child processes and real servers.

#[path = "../../../../tests/judges/judges.rs"]
mod judges;

mod conformance;
mod kit;
mod real_servers;
