//! The sandbox, attacked. Every attack has a control: the same program, not confined, succeeds.
#![cfg(target_os = "linux")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod attacks;
mod bombs;
mod grants;
mod groups;
mod levels;
mod orphans;
mod scene;
mod sealed;
mod start;
mod surroundings;
