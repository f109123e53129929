//! The suite of `keyway-serve`: a real child, and a host's end made of `keyway-channel`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    dead_code,
    reason = "the conformance kit is one for its own example and for these tests"
)]

mod calls;
mod conformance;
mod ending;
mod examples;
mod hand_started;
mod handshake;
#[path = "../../examples/conformance/kit/mod.rs"]
mod kit;
mod support;
