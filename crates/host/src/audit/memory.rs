//! A sink that keeps events in memory.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{AuditError, AuditEvent, AuditHealth, AuditSink, Head};
use crate::digest::Digest;

/// Keeps events in memory, for tests and for hosts without a disk. Can be told to fail.
///
/// ```
/// use keyway_host::audit::{AuditEvent, AuditSink, MemoryAudit};
/// let audit = MemoryAudit::new();
/// audit.record(AuditEvent::HostStopped);
/// assert_eq!(audit.events(), [AuditEvent::HostStopped]);
///
/// audit.fail("the disk is full");
/// let refused = audit.record_durably(AuditEvent::HostStopped).unwrap_err();
/// assert_eq!(refused.code(), "AUDIT_UNAVAILABLE");
/// ```
#[derive(Default)]
pub struct MemoryAudit {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: Vec<AuditEvent>,
    trouble: Option<String>,
    lost: u64,
}

impl MemoryAudit {
    /// Makes an empty sink.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns every event so far.
    #[must_use]
    pub fn events(&self) -> Vec<AuditEvent> {
        self.lock().events.clone()
    }

    /// Forgets every event so far and returns them.
    #[must_use]
    pub fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut self.lock().events)
    }

    /// Fails from now on, as a full disk would.
    pub fn fail(&self, why: impl Into<String>) {
        self.lock().trouble = Some(why.into());
    }

    /// Works again, and records what was lost meanwhile.
    pub fn recover(&self) {
        let mut state = self.lock();
        state.trouble = None;
        let count = std::mem::take(&mut state.lost);
        if count > 0 {
            state.events.push(AuditEvent::RecordsLost { count });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for MemoryAudit {
    fn record(&self, event: AuditEvent) {
        let mut state = self.lock();
        if state.trouble.is_some() {
            state.lost += 1;
        } else {
            state.events.push(event);
        }
    }

    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        let mut state = self.lock();
        if let Some(why) = &state.trouble {
            return Err(AuditError::unavailable(why));
        }
        let text = serde_json::to_vec(&event).unwrap_or_default();
        state.events.push(event);
        let seq = state.events.len() as u64;
        Ok(Head::new(seq, Digest::of(&text)))
    }

    fn health(&self) -> AuditHealth {
        let state = self.lock();
        match &state.trouble {
            Some(why) => AuditHealth::failing(why, state.lost),
            None => AuditHealth::Healthy,
        }
    }
}

impl fmt::Debug for MemoryAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.lock().events.len();
        f.debug_struct("MemoryAudit")
            .field("events", &events)
            .finish_non_exhaustive()
    }
}
