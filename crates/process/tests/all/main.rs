//! Plugins as processes, with real hosts, real processes and real folders.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that asked, and tell what they measured"
)]

mod apart;
mod load;
mod support;

mod bombs;
mod breakdowns;
mod confinement;
mod crash_loops;
mod deadlines;
mod floods;
mod grants;
mod handshakes;
mod heartbeats;
mod kills;
mod languages;
mod life;
mod noise;
mod orphans;
mod reloads;
mod runtimes;
mod supervision;
