//! The states of a plugin's process; each transition consumes the state that it leaves.

use super::Cause;

/// Where a plugin's process stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the states of the design, each handled by the runtime"
)]
pub enum State {
    /// Nothing runs and nobody wants it to.
    Stopped(Stopped),
    /// A process is being made.
    Spawning(Spawning),
    /// A process is there and proves who it is, registers and starts.
    Handshaking(Handshaking),
    /// It serves.
    Ready(Ready),
    /// It serves, and there is a sign that it might not.
    Suspect(Suspect),
    /// It is stopped in good order.
    Draining(Draining),
    /// It crashed and is started again after a delay.
    Backoff(Backoff),
    /// It crashed too often; nothing is tried for a while.
    Open(Open),
    /// It can never work.
    Failed(Failed),
    /// It was revoked. There is no way out.
    Revoked,
}

/// Nothing runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopped(());

/// A process is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spawning {
    condemned: Option<Cause>,
}

/// A process proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshaking {
    condemned: Option<Cause>,
}

/// A process serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    since_ms: u64,
}

/// A process gave a sign of failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    since_ms: u64,
    cause: Cause,
    /// When the sign counts as the failure; `None` when something else decides.
    until_ms: Option<u64>,
    /// It was decided that the process has to go.
    is_condemned: bool,
}

/// A process is stopped in good order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draining(());

/// A restart waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    crashes: u32,
    until_ms: u64,
}

/// No restart is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    until_ms: u64,
}

/// It can never work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    reason: String,
}

impl State {
    /// Tells whether there is a process, or will be in a moment.
    #[must_use]
    pub fn has_process(&self) -> bool {
        matches!(
            self,
            Self::Spawning(_)
                | Self::Handshaking(_)
                | Self::Ready(_)
                | Self::Suspect(_)
                | Self::Draining(_)
        )
    }

    /// Tells whether the state has no way on by itself.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Revoked)
    }

    /// Returns when a restart is due.
    #[must_use]
    pub fn retry_at(&self) -> Option<u64> {
        match self {
            Self::Backoff(backoff) => Some(backoff.until_ms),
            Self::Open(open) => Some(open.until_ms),
            _ => None,
        }
    }

    /// Why the process has to go, where that is decided.
    pub(super) fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Spawning(spawning) => spawning.condemned.as_ref(),
            Self::Handshaking(shaking) => shaking.condemned.as_ref(),
            Self::Suspect(suspect) if suspect.is_condemned => Some(&suspect.cause),
            _ => None,
        }
    }

    pub(super) fn into_cause(self) -> Option<Cause> {
        self.cause().cloned()
    }

    /// How long it has served.
    pub(super) fn served_for(&self, now_ms: u64) -> Option<u64> {
        match self {
            Self::Ready(Ready { since_ms }) | Self::Suspect(Suspect { since_ms, .. }) => {
                Some(now_ms.saturating_sub(*since_ms))
            }
            _ => None,
        }
    }

    /// Decides that the process has to go. Tells whether that is news; a stronger cause replaces a
    /// weaker one and is none.
    pub(super) fn condemn(self, cause: Cause) -> (Self, bool) {
        let stronger = |old: Option<Cause>| {
            let is_new = old.is_none();
            (
                Some(old.map_or(cause.clone(), |old| old.max(cause.clone()))),
                is_new,
            )
        };
        match self {
            Self::Spawning(Spawning { condemned }) => {
                let (condemned, is_new) = stronger(condemned);
                (Self::Spawning(Spawning { condemned }), is_new)
            }
            Self::Handshaking(Handshaking { condemned }) => {
                let (condemned, is_new) = stronger(condemned);
                (Self::Handshaking(Handshaking { condemned }), is_new)
            }
            Self::Ready(ready) => {
                let suspect = Suspect {
                    since_ms: ready.since_ms,
                    cause,
                    until_ms: None,
                    is_condemned: true,
                };
                (Self::Suspect(suspect), true)
            }
            Self::Suspect(suspect) => {
                let is_new = !suspect.is_condemned;
                let suspect = Suspect {
                    cause: suspect.cause.max(cause),
                    until_ms: None,
                    is_condemned: true,
                    ..suspect
                };
                (Self::Suspect(suspect), is_new)
            }
            state => (state, false),
        }
    }
}

impl Stopped {
    pub(super) fn new() -> Self {
        Self(())
    }

    pub(super) fn spawn(self) -> State {
        State::Spawning(Spawning { condemned: None })
    }
}

impl Spawning {
    /// Begins once a time to wait is over.
    fn when_due(until_ms: u64, now_ms: u64) -> Option<Self> {
        (now_ms >= until_ms).then_some(Self { condemned: None })
    }

    pub(super) fn spawned(self) -> State {
        State::Handshaking(Handshaking {
            condemned: self.condemned,
        })
    }
}

impl Handshaking {
    pub(super) fn served(self, now_ms: u64) -> State {
        match self.condemned {
            None => State::Ready(Ready { since_ms: now_ms }),
            // It is being killed; that it had come so far changes nothing.
            condemned => State::Handshaking(Self { condemned }),
        }
    }
}

impl Ready {
    pub(super) fn suspect(self, cause: Cause, until_ms: Option<u64>) -> State {
        State::Suspect(Suspect {
            since_ms: self.since_ms,
            cause,
            until_ms,
            is_condemned: false,
        })
    }

    pub(super) fn drain(self) -> State {
        State::Draining(Draining::new())
    }
}

impl Suspect {
    /// Returns when the sign counts as the failure.
    #[must_use]
    pub fn until_ms(&self) -> Option<u64> {
        self.until_ms
    }

    pub(super) fn cause(&self) -> &Cause {
        &self.cause
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until| now_ms >= until)
    }

    /// Silence was not death; a closed channel stays closed.
    pub(super) fn heard(self) -> State {
        match self.cause {
            Cause::Silence if !self.is_condemned => State::Ready(Ready {
                since_ms: self.since_ms,
            }),
            _ => State::Suspect(self),
        }
    }
}

impl Draining {
    pub(super) fn new() -> Self {
        Self(())
    }

    pub(super) fn exited(self) -> State {
        State::Stopped(Stopped::new())
    }
}

impl Backoff {
    pub(super) fn new(crashes: u32, until_ms: u64) -> Self {
        Self { crashes, until_ms }
    }

    /// Returns how many crashes in a row led here.
    #[must_use]
    pub fn crashes(&self) -> u32 {
        self.crashes
    }

    /// Returns when the restart is due, in milliseconds.
    #[must_use]
    pub fn until_ms(&self) -> u64 {
        self.until_ms
    }

    pub(super) fn tick(self, now_ms: u64) -> Result<Spawning, Self> {
        Spawning::when_due(self.until_ms, now_ms).ok_or(self)
    }
}

impl Open {
    pub(super) fn until(until_ms: u64) -> Self {
        Self { until_ms }
    }

    /// Returns when one probe may be tried, in milliseconds.
    #[must_use]
    pub fn until_ms(&self) -> u64 {
        self.until_ms
    }

    pub(super) fn tick(self, now_ms: u64) -> Result<Spawning, Self> {
        Spawning::when_due(self.until_ms, now_ms).ok_or(self)
    }
}

impl Failed {
    pub(super) fn new(reason: String) -> Self {
        Self { reason }
    }

    /// Returns why, for the operator.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
