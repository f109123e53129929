//! The time that expiries are judged by: it never runs backwards (attack T37).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::{Clock, Reading};

/// A clock that never shows an earlier time than it has shown or was told of.
pub(crate) struct HostTime {
    clock: Arc<dyn Clock>,
    latest_ms: AtomicI64,
}

impl HostTime {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            latest_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Returns Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.not_earlier(self.clock.now_ms())
    }

    /// Returns both times at once.
    pub(crate) fn read(&self) -> Reading {
        let now = self.clock.read();
        Reading {
            unix_ms: self.not_earlier(now.unix_ms),
            ..now
        }
    }

    fn not_earlier(&self, now: i64) -> i64 {
        let latest = self.latest_ms.load(Ordering::Relaxed);
        if now <= latest {
            // Most calls: many come in one millisecond, and none of them writes.
            return latest;
        }
        self.latest_ms.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Returns microseconds since some fixed moment.
    pub(crate) fn monotonic_us(&self) -> u64 {
        self.clock.monotonic_us()
    }

    /// Does not let time run back behind what the catalog has seen.
    pub(crate) fn not_before(&self, ms: i64) {
        self.latest_ms.fetch_max(ms, Ordering::Relaxed);
    }
}

impl fmt::Debug for HostTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostTime").field(&self.latest_ms).finish()
    }
}
