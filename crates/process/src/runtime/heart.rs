//! The heartbeat of one process, fed with the moments at which it was heard.

use keyway_channel::pulse::{Beat, Pulse, PulseLimits};

/// The heartbeat of one process. All times are milliseconds of its owner.
pub(super) struct Heart {
    pulse: Pulse,
    idle_ms: u64,
    due_ms: u64,
    heard_ms: u64,
    /// Pings since it was last heard.
    pings: u32,
}

impl Heart {
    /// Makes the heartbeat of a process that was heard just now.
    pub(super) fn new(limits: PulseLimits, now_ms: u64) -> Self {
        Self {
            pulse: Pulse::new(limits, now_ms),
            idle_ms: limits.idle_ms,
            due_ms: now_ms.saturating_add(limits.idle_ms),
            heard_ms: now_ms,
            pings: 0,
        }
    }

    /// Notes when the process was last heard. Tells whether that is news after a ping.
    pub(super) fn heard(&mut self, heard_ms: u64) -> bool {
        if heard_ms <= self.heard_ms {
            return false;
        }
        self.heard_ms = heard_ms;
        self.due_ms = heard_ms.saturating_add(self.idle_ms);
        self.pulse.heard(heard_ms);
        std::mem::take(&mut self.pings) > 0
    }

    /// Returns when the next look is due.
    pub(super) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Tells whether an earlier ping has gone unanswered.
    pub(super) fn has_missed(&self) -> bool {
        self.pings > 1
    }

    pub(super) fn poll(&mut self, now_ms: u64) -> Beat {
        let beat = self.pulse.poll(now_ms);
        match beat {
            Beat::WaitUntil(due_ms) => self.due_ms = due_ms,
            Beat::Ping => {
                self.pings += 1;
                self.due_ms = now_ms.saturating_add(self.idle_ms);
            }
            Beat::Dead => {}
        }
        beat
    }
}
