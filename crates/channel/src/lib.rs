#![doc = include_str!("../README.md")]

pub mod frame;
pub mod handshake;
mod inflight;
mod limits;
pub mod message;
pub mod pulse;

pub use inflight::{InFlight, Overloaded, UnknownAnswer};
pub use limits::ChannelLimits;

/// The name of the protocol; it begins what both ends sign.
pub const PROTOCOL: &str = "keyway-ipc/1";

/// The major version of framing and handshake that this crate speaks.
pub const IPC_VERSION: u32 = 1;
