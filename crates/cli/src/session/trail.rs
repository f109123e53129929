//! The audit trail of the state folder, opened with the first event: a command that changes
//! nothing leaves no file behind.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use keyway_host::AUDIT_FILE;
use keyway_host::audit::{
    AuditError, AuditEvent, AuditHealth, AuditSink, Head, JsonlAudit, Recorded, Redactor, Replayed,
};
use keyway_host::clock::SystemClock;

/// A trail that is opened when it is first written to.
#[derive(Debug)]
pub(super) struct LazyTrail {
    dir: PathBuf,
    redactor: Redactor,
    opened: OnceLock<Result<JsonlAudit, String>>,
}

impl LazyTrail {
    /// Names the trail of a state folder.
    pub(super) fn of(dir: &Path, redactor: Redactor) -> Self {
        Self {
            dir: dir.to_owned(),
            redactor,
            opened: OnceLock::new(),
        }
    }

    fn open(&self) -> Result<JsonlAudit, AuditError> {
        let clock = Arc::new(SystemClock::new());
        JsonlAudit::open(self.dir.join(AUDIT_FILE), clock, self.redactor.clone())
    }

    fn opened(&self) -> Result<&JsonlAudit, AuditError> {
        let opened = self
            .opened
            .get_or_init(|| self.open().map_err(|e| e.to_string()));
        opened
            .as_ref()
            .map_err(|why| AuditError::unavailable(why.as_str()))
    }
}

impl AuditSink for LazyTrail {
    fn record(&self, event: AuditEvent) {
        if let Ok(trail) = self.opened() {
            trail.record(event);
        }
    }

    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        self.opened()?.record_durably(event)
    }

    fn health(&self) -> AuditHealth {
        match self.opened.get() {
            Some(Ok(trail)) => trail.health(),
            Some(Err(why)) => AuditHealth::failing(why.as_str(), 0),
            None => AuditHealth::Healthy,
        }
    }

    fn flush(&self) -> Result<(), AuditError> {
        match self.opened.get() {
            Some(_) => self.opened()?.flush(),
            None => Ok(()),
        }
    }

    fn replayed(&self) -> Result<Option<Replayed>, AuditError> {
        self.opened()?.replayed()
    }

    fn recorded(&self) -> Result<Option<Recorded>, AuditError> {
        self.opened()?.recorded()
    }
}
