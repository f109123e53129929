//! Tests of MCP, with real child processes and real servers.

#[path = "../../../../tests/judges/judges.rs"]
mod judges;

mod conformance;
mod hostile;
mod jail;
mod kit;
mod launches;
mod real_servers;
mod serving;
