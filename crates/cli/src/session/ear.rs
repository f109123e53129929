//! Hears what the host records, so that an operator at a terminal reads the warnings too.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_host::audit::{
    AuditError, AuditEvent, AuditHealth, AuditSink, Head, Recorded, Replayed,
};
use keyway_plugin_api::LogLevel;

use super::trail::LazyTrail;

/// A trail, and what went into it that an operator should hear.
#[derive(Clone)]
pub(super) struct Ear(Arc<Inner>);

struct Inner {
    trail: LazyTrail,
    heard: Mutex<Vec<Heard>>,
}

/// Something that an operator should hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// How important it is.
    pub(crate) level: LogLevel,
    /// What happened.
    pub(crate) message: String,
}

impl Ear {
    pub(super) fn new(trail: LazyTrail) -> Self {
        let heard = Mutex::default();
        Self(Arc::new(Inner { trail, heard }))
    }

    /// Returns what was not taken yet.
    pub(super) fn take(&self) -> Vec<Heard> {
        let mut heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut heard)
    }

    fn hear(&self, event: &AuditEvent) {
        let message = match event {
            AuditEvent::CatalogRepaired { what, .. } => what.to_string(),
            AuditEvent::Notice { message, .. } => message.to_string(),
            _ => return,
        };
        let level = event.level();
        let mut heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(Heard { level, message });
    }
}

impl AuditSink for Ear {
    fn record(&self, event: AuditEvent) {
        self.hear(&event);
        self.0.trail.record(event);
    }

    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        self.hear(&event);
        self.0.trail.record_durably(event)
    }

    fn health(&self) -> AuditHealth {
        self.0.trail.health()
    }

    fn flush(&self) -> Result<(), AuditError> {
        self.0.trail.flush()
    }

    fn replayed(&self) -> Result<Option<Replayed>, AuditError> {
        self.0.trail.replayed()
    }

    fn recorded(&self) -> Result<Option<Recorded>, AuditError> {
        self.0.trail.recorded()
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").finish_non_exhaustive()
    }
}
