//! Plugins as processes, with real hosts, real processes and real folders.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that asked"
)]

mod support;

mod breakdowns;
mod confinement;
mod grants;
mod handshakes;
mod kills;
mod languages;
mod life;
mod reloads;
mod runtimes;
mod supervision;
