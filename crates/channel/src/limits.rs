//! Bounds that both ends keep.

use serde::{Deserialize, Serialize};

/// Deepest nesting of a message.
pub(crate) const DEPTH_MAX: usize = 64;

/// The bounds of one channel. The host says them in its hello, and both ends sign that line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChannelLimits {
    /// Longest message in bytes, without its line feed.
    pub frame: usize,
    /// Requests that may wait for an answer at the same time, in each direction.
    pub inflight: usize,
    /// Silence after which the host sends a ping, in milliseconds.
    pub heartbeat_ms: u64,
}

impl Default for ChannelLimits {
    /// 4 MiB, 32 requests, 5 s.
    fn default() -> Self {
        Self {
            frame: 4 * 1024 * 1024,
            inflight: 32,
            heartbeat_ms: 5_000,
        }
    }
}

impl ChannelLimits {
    /// Replaces the longest message, in bytes.
    #[must_use]
    pub fn with_frame(mut self, bytes: usize) -> Self {
        self.frame = bytes;
        self
    }

    /// Replaces the number of requests in flight.
    #[must_use]
    pub fn with_inflight(mut self, requests: usize) -> Self {
        self.inflight = requests;
        self
    }

    /// Replaces the silence before a ping, in milliseconds.
    #[must_use]
    pub fn with_heartbeat_ms(mut self, heartbeat_ms: u64) -> Self {
        self.heartbeat_ms = heartbeat_ms;
        self
    }
}
