//! The channel's suite.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod document;
mod errors;
mod fields;
mod frames;
mod fuzz;
mod handshake;
mod inflight;
mod messages;
mod pulse;
mod support;
mod transcripts;
