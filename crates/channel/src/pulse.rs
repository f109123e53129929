//! Whether the peer is alive: a state machine over a count of milliseconds that the caller brings.
//!
//! Any frame of the peer counts as a sign of life. Being slow is not being dead: deadlines of
//! calls are somebody else's.

/// The bounds of a [`Pulse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PulseLimits {
    /// Silence after which a ping is sent, and how long each ping may take, in milliseconds.
    pub idle_ms: u64,
    /// Pings in a row without a sign of life after which the peer is dead.
    pub misses: u32,
}

impl Default for PulseLimits {
    /// 5 s and 3 pings.
    fn default() -> Self {
        Self {
            idle_ms: 5_000,
            misses: 3,
        }
    }
}

impl PulseLimits {
    /// Replaces the silence after which a ping is sent, in milliseconds.
    #[must_use]
    pub fn with_idle_ms(mut self, idle_ms: u64) -> Self {
        self.idle_ms = idle_ms;
        self
    }

    /// Replaces the number of missed pings.
    #[must_use]
    pub fn with_misses(mut self, misses: u32) -> Self {
        self.misses = misses;
        self
    }
}

/// What the caller does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the caller must handle each")]
pub enum Beat {
    /// The peer is dead.
    Dead,
    /// Send a ping, then poll again.
    Ping,
    /// Nothing; poll again at this time, in the caller's milliseconds.
    WaitUntil(u64),
}

/// Decides when to ping a peer and when to call it dead.
///
/// With the default limits a peer that falls silent is dead 20 s later: 5 s of silence, then three
/// pings of 5 s each. When the caller polls much later than it was told to, as after a suspend,
/// the time in between counts for nothing: a fresh ping has to fail first.
///
/// ```
/// use keyway_channel::pulse::{Beat, Pulse, PulseLimits};
/// let mut pulse = Pulse::new(PulseLimits::default(), 0);
/// assert_eq!(pulse.poll(0), Beat::WaitUntil(5_000));
/// assert_eq!(pulse.poll(5_000), Beat::Ping);
/// pulse.heard(5_002);
/// assert_eq!(pulse.poll(5_002), Beat::WaitUntil(10_002));
/// ```
#[derive(Debug, Clone)]
pub struct Pulse {
    limits: PulseLimits,
    /// When the next decision is due.
    due_ms: u64,
    /// Pings sent since the last sign of life.
    pings: u32,
}

impl Pulse {
    /// Makes the pulse of a peer that was alive just now.
    #[must_use]
    pub fn new(limits: PulseLimits, now_ms: u64) -> Self {
        Self {
            limits,
            due_ms: now_ms.saturating_add(limits.idle_ms),
            pings: 0,
        }
    }

    /// Notes a sign of life: any frame.
    pub fn heard(&mut self, now_ms: u64) {
        self.pings = 0;
        self.due_ms = now_ms.saturating_add(self.limits.idle_ms);
    }

    /// Decides.
    pub fn poll(&mut self, now_ms: u64) -> Beat {
        if now_ms < self.due_ms {
            return Beat::WaitUntil(self.due_ms);
        }
        let has_jumped = now_ms - self.due_ms > self.limits.idle_ms;
        self.due_ms = now_ms.saturating_add(self.limits.idle_ms);
        if has_jumped {
            // The ping of before is void, whoever slept.
            self.pings = self.pings.saturating_sub(1);
        }
        if self.pings >= self.limits.misses {
            return Beat::Dead;
        }
        self.pings += 1;
        Beat::Ping
    }
}
