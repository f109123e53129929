//! How often a plugin may crash, and how long each restart waits.

use super::Moment;
use super::policy::SupervisorPolicy;
use super::states::{Backoff, Open, State};

/// A random number that spreads restarts: from −200 to 200 thousandths of the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(i16);

impl Jitter {
    /// No spread.
    pub const NONE: Self = Self(0);
    /// Most thousandths in each direction.
    const MOST: i16 = 200;

    /// Makes a jitter of any bits, evenly spread.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let span = u64::from(Self::MOST.unsigned_abs()) * 2 + 1;
        let step = i16::try_from(bits % span).unwrap_or(Self::MOST);
        Self(step - Self::MOST)
    }

    fn spread(self, delay_ms: u64) -> u64 {
        let part = delay_ms / 1000 * u64::from(self.0.unsigned_abs())
            + delay_ms % 1000 * u64::from(self.0.unsigned_abs()) / 1000;
        match self.0 < 0 {
            true => delay_ms.saturating_sub(part),
            false => delay_ms.saturating_add(part),
        }
    }
}

/// The crashes of one plugin.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    /// When it crashed, within the window.
    crashes: Vec<u64>,
    /// Crashes in a row without good service in between.
    in_a_row: u32,
    /// The process is the probe after an open circuit.
    is_probe: bool,
}

impl Budget {
    /// Counts a crash and says what comes of it.
    pub(super) fn crashed(
        &mut self,
        policy: &SupervisorPolicy,
        healthy_ms: Option<u64>,
        at: Moment,
    ) -> State {
        if healthy_ms.is_some_and(|served| served >= policy.healthy_ms) {
            self.in_a_row = 0;
            self.is_probe = false;
        }
        let since = at.now_ms.checked_sub(policy.window_ms);
        self.crashes
            .retain(|when| since.is_none_or(|since| *when > since));
        self.crashes.push(at.now_ms);
        if self.is_probe || self.crashes.len() >= policy.crashes {
            self.is_probe = true;
            return State::Open(Open::until(at.now_ms.saturating_add(policy.open_ms)));
        }
        let delay = at.jitter.spread(self.delay(policy));
        self.in_a_row = self.in_a_row.saturating_add(1);
        let until = at.now_ms.saturating_add(delay);
        State::Backoff(Backoff::new(self.in_a_row, until))
    }

    /// About when a process that crashes now is tried again, in milliseconds from now.
    pub(super) fn outlook(&self, policy: &SupervisorPolicy, now_ms: u64) -> Option<u64> {
        let since = now_ms.checked_sub(policy.window_ms);
        let is_recent = |when: &&u64| since.is_none_or(|since| **when > since);
        let crashes = self.crashes.iter().filter(is_recent).count() + 1;
        match self.is_probe || crashes >= policy.crashes {
            true => policy.probes.then_some(policy.open_ms),
            false => Some(self.delay(policy)),
        }
    }

    fn delay(&self, policy: &SupervisorPolicy) -> u64 {
        let doubled = 1u64.checked_shl(self.in_a_row).unwrap_or(u64::MAX);
        policy
            .backoff_ms
            .saturating_mul(doubled)
            .min(policy.backoff_max_ms)
    }
}
