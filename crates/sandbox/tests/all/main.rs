//! The sandbox, attacked. Every attack has a control: the same program, not confined, succeeds.
#![cfg(target_os = "linux")]

mod attacks;
mod bombs;
mod grants;
mod levels;
mod orphans;
mod scene;
mod sealed;
mod start;
mod surroundings;
