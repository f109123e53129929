//! Time, injected: nothing else in this crate reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What a clock showed at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the two ways to tell the time")]
pub struct Reading {
    /// Unix time in milliseconds.
    pub unix_ms: i64,
    /// Microseconds since some fixed moment.
    pub monotonic_us: u64,
}

/// A source of wall-clock time.
///
/// ```
/// use keyway_host::clock::{Clock, ManualClock};
/// let clock = ManualClock::at(1_000);
/// clock.advance(5);
/// assert_eq!(clock.now_ms(), 1_005);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns Unix time in milliseconds.
    fn now_ms(&self) -> i64;

    /// Returns microseconds since some fixed moment; never runs backwards on a real machine.
    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.now_ms())
            .unwrap_or(0)
            .saturating_mul(1000)
    }

    /// Returns both at once, for a call that needs both. A clock that can save a reading that way
    /// brings its own.
    fn read(&self) -> Reading {
        Reading {
            unix_ms: self.now_ms(),
            monotonic_us: self.monotonic_us(),
        }
    }
}

/// How long [`SystemClock`] takes what it knows of the wall clock for granted, in microseconds.
const TRUSTED_US: u64 = 50_000;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl SystemClock {
    /// Returns the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn unix_us() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        unix_us() / 1000
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn monotonic_us(&self) -> u64 {
        use std::sync::OnceLock;
        use std::time::Instant;
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        let began = BEGAN.get_or_init(Instant::now);
        u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Reads the machine's clock once. The Unix time is derived from how far it was ahead of the
    /// monotonic one lately, so a clock that is set shows here within 50 ms.
    fn read(&self) -> Reading {
        static AHEAD_US: AtomicI64 = AtomicI64::new(0);
        static UNTIL_US: AtomicU64 = AtomicU64::new(0);
        let monotonic_us = self.monotonic_us();
        let signed_us = i64::try_from(monotonic_us).unwrap_or(i64::MAX);
        if monotonic_us >= UNTIL_US.load(Ordering::Acquire) {
            AHEAD_US.store(unix_us().saturating_sub(signed_us), Ordering::Relaxed);
            UNTIL_US.store(monotonic_us.saturating_add(TRUSTED_US), Ordering::Release);
        }
        Reading {
            unix_ms: signed_us.saturating_add(AHEAD_US.load(Ordering::Relaxed)) / 1000,
            monotonic_us,
        }
    }
}

/// A clock that moves only when told, for tests and for replay.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Makes a clock that shows `now_ms`.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Moves the clock by `ms`, backwards when negative.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::AcqRel);
    }

    /// Sets the clock.
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Release);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_shows_both_clocks_of_the_machine() {
        let clock = SystemClock::new();
        let (before, before_ms) = (clock.monotonic_us(), clock.now_ms());
        for _ in 0..1000 {
            let now = clock.read();
            assert!((before..=clock.monotonic_us()).contains(&now.monotonic_us));
            // Wide, because the machine may set its clock while this runs.
            assert!((now.unix_ms - before_ms).abs() < 60_000, "{now:?}");
        }
    }

    #[test]
    fn one_reading_of_any_other_clock_is_what_it_shows() {
        let clock = ManualClock::at(1_500);
        let now = Reading {
            unix_ms: 1_500,
            monotonic_us: 1_500_000,
        };
        assert_eq!(clock.read(), now);
    }
}
