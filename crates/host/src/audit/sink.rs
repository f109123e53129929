//! Where events go: the trait, its health, its errors.

use std::io;
use std::path::PathBuf;

use super::{AuditEvent, Head, Recorded, Replayed};

/// Keeps audit events.
///
/// The host has one and calls it on every call, refusal and change; an embedder may bring its
/// own. Contract:
/// - called concurrently, from any thread;
/// - [`record`](Self::record) does no I/O: an event that cannot be kept is counted, and the count
///   reaches the trail as [`AuditEvent::RecordsLost`] once it can be written again;
/// - [`record_durably`](Self::record_durably) returns only when the event, and every event
///   recorded before it by the same thread, would survive a power cut; it blocks, so async code
///   calls it on a blocking thread;
/// - while it fails, privileged acts are refused and everything else goes on.
///
/// ```
/// use keyway_host::audit::{AuditError, AuditEvent, AuditHealth, AuditSink, Head};
///
/// /// Keeps nothing, and says so: no privileged act gets past it.
/// struct Nowhere;
///
/// impl AuditSink for Nowhere {
///     fn record(&self, _event: AuditEvent) {}
///     fn record_durably(&self, _event: AuditEvent) -> Result<Head, AuditError> {
///         Err(AuditError::unavailable("there is no trail"))
///     }
///     fn health(&self) -> AuditHealth {
///         AuditHealth::failing("there is no trail", 0)
///     }
/// }
/// let sink: &dyn AuditSink = &Nowhere;
/// assert!(!sink.health().is_healthy());
/// ```
pub trait AuditSink: Send + Sync + 'static {
    /// Takes an event to be written soon.
    fn record(&self, event: AuditEvent);

    /// Takes an event as [`record`](Self::record) does, with the time that the host has read for
    /// it already, in Unix milliseconds. A sink that stamps events saves a reading of its clock.
    fn record_at(&self, unix_ms: i64, event: AuditEvent) {
        let _ = unix_ms;
        self.record(event);
    }

    /// Writes an event and returns its place in the chain once it is on the disk.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`]: the act that the event announces must not happen.
    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError>;

    /// Returns whether events are being kept.
    fn health(&self) -> AuditHealth;

    /// Waits until everything recorded so far by this thread is durable.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`] when it cannot be made so.
    fn flush(&self) -> Result<(), AuditError> {
        Ok(())
    }

    /// Returns the catalog that everything recorded so far adds up to, earlier hosts included;
    /// `None` where the sink cannot read what it wrote. A host that starts compares it with the
    /// catalog and records what is missing. Blocks, and reads the whole trail.
    ///
    /// # Errors
    /// Any [`AuditError`] of reading.
    fn replayed(&self) -> Result<Option<Replayed>, AuditError> {
        Ok(None)
    }

    /// Returns how far that goes. A host that starts asks for this first, and for the catalog only
    /// where the two differ: a sink that need not put the catalog together for that brings its own.
    ///
    /// # Errors
    /// Any [`AuditError`] of reading.
    fn recorded(&self) -> Result<Option<Recorded>, AuditError> {
        Ok(self.replayed()?.as_ref().map(Recorded::from))
    }
}

/// Says whether events are being kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditHealth {
    /// Events cannot be written now; privileged acts are refused.
    Failing {
        /// What is wrong.
        why: String,
        /// Events lost for good since the trouble began.
        lost: u64,
    },
    /// Events are being written.
    Healthy,
}

impl AuditHealth {
    /// Says that events cannot be written.
    #[must_use]
    pub fn failing(why: impl Into<String>, lost: u64) -> Self {
        let why = why.into();
        Self::Failing { why, lost }
    }

    /// Tells whether privileged acts may go on.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        matches!(self, Self::Healthy)
    }
}

/// Says what is wrong with a trail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The trail is not what was written. The operator must find out who changed it.
    #[error("the audit trail is broken at line {line}: {why}")]
    Broken {
        /// The first line that does not follow, counted from 1.
        line: u64,
        /// What does not fit.
        why: String,
    },
    /// The environment failed.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was being done, for example `open`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not a head.
    #[error("not a head: expected NUMBER@sha256:HEX")]
    NotAHead,
    /// The file holds something, and none of it is an audit record; it was left alone.
    #[error("{path} is not an audit trail", path = path.display())]
    NotATrail {
        /// The file.
        path: PathBuf,
    },
    /// The event could not be made durable, so what it announces must not happen.
    #[error("the audit trail cannot be written: {why}")]
    Unavailable {
        /// What is wrong.
        why: String,
    },
}

impl AuditError {
    /// Says that an event could not be made durable.
    #[must_use]
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { why: why.into() }
    }

    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Broken { .. } => "AUDIT_BROKEN",
            Self::Io { .. } => "AUDIT_IO",
            Self::NotAHead => "AUDIT_HEAD_INVALID",
            Self::NotATrail { .. } => "AUDIT_NOT_A_TRAIL",
            Self::Unavailable { .. } => "AUDIT_UNAVAILABLE",
        }
    }

    /// Returns what an operator can do next.
    #[must_use]
    pub fn hints(&self) -> Vec<&'static str> {
        match self {
            Self::Broken { .. } => vec![
                "keep the file: everything before that line is intact",
                "move it aside to begin a new trail",
            ],
            Self::Io { .. } => vec!["check the path, its permissions and the disk"],
            Self::NotAHead => vec!["copy the head from `keyway audit verify`"],
            Self::NotATrail { .. } => vec!["name another file, or move this one aside"],
            Self::Unavailable { .. } => vec![
                "free space on the disk that holds the trail, then try again",
                "calls that change nothing for good go on meanwhile",
            ],
        }
    }
}
