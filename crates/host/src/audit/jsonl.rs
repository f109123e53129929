//! The trail as a file of JSON lines.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::disk::{Disk, TrailDisk};
use super::file::TrailFile;
use super::queue::{Item, Queue};
use super::trail::io_error;
use super::writer::Writer;
use super::{AuditError, AuditEvent, AuditHealth, AuditSink, Head, Recorded, Redactor};
use super::{Replayed, Trail};
use crate::clock::Clock;

/// Keeps the trail in a file of JSON lines, each chained to the one before it.
///
/// Callers hand events to a writer thread, which writes them within a few milliseconds and makes
/// them durable within about a second; [`record_durably`](AuditSink::record_durably) waits for
/// the disk, and many that wait share one sync. Several processes may write the same file.
/// When events come faster than they can be written, callers wait: none is lost to haste.
/// When the disk is full, durable records are refused, others wait in memory up to a bound, and
/// what did not fit is counted in the trail once it can be written again. After a sync that
/// failed nothing is called durable until the file is opened anew.
///
/// ```
/// use std::sync::Arc;
/// use keyway_host::audit::{AuditEvent, AuditSink, JsonlAudit, Redactor, Trail};
/// use keyway_host::clock::SystemClock;
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("audit.jsonl");
/// let audit = JsonlAudit::open(&path, Arc::new(SystemClock::new()), Redactor::new())?;
/// audit.record(AuditEvent::HostStarted { version: "0.1.0".into() });
/// let head = audit.record_durably(AuditEvent::HostStopped)?;
/// assert_eq!(Trail::open(&path)?.verify()?.head, head);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JsonlAudit {
    path: PathBuf,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    redactor: Redactor,
    writer: Option<JoinHandle<()>>,
}

impl JsonlAudit {
    /// Opens a trail, or begins one with the folder that holds it, and starts its writer.
    ///
    /// Bytes after the last record, which a crash can leave, are moved to `FILE.torn-N` beside
    /// it and recorded.
    ///
    /// # Errors
    /// [`AuditError::NotATrail`] when the file holds something else; [`AuditError::Io`].
    pub fn open(
        path: impl AsRef<Path>,
        clock: Arc<dyn Clock>,
        redactor: Redactor,
    ) -> Result<Self, AuditError> {
        let path = path.as_ref();
        let disk = TrailDisk::open(path).map_err(|error| io_error("open", path, error))?;
        Self::over((disk, path), clock, redactor, PATIENCE)
    }

    fn over(
        (disk, path): (impl Disk, &Path),
        clock: Arc<dyn Clock>,
        redactor: Redactor,
        patience: Duration,
    ) -> Result<Self, AuditError> {
        let opened = TrailFile::open(disk, redactor.clone(), clock.now_ms());
        let file = opened
            .map_err(|error| io_error("open", path, error))?
            .map_err(|_| AuditError::NotATrail { path: path.into() })?;
        let queue = Arc::new(Queue::new(patience));
        let writer = Writer::new(Arc::clone(&queue), file, Arc::clone(&clock));
        let thread = thread::Builder::new()
            .name("keyway-audit".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| io_error("start the writer of", path, error))?;
        Ok(Self {
            path: path.into(),
            queue,
            clock,
            redactor,
            writer: Some(thread),
        })
    }

    /// Returns the file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the redactor: what it learns is kept out of everything written from then on.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

impl AuditSink for JsonlAudit {
    fn record(&self, event: AuditEvent) {
        self.record_at(self.clock.now_ms(), event);
    }

    fn record_at(&self, unix_ms: i64, event: AuditEvent) {
        self.queue.push((unix_ms, event));
    }

    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        let (reply, answer) = sync_channel(1);
        self.queue.push_urgent(Item {
            stamped: (self.clock.now_ms(), event),
            reply: Some(reply),
        });
        wait(&answer)
    }

    fn health(&self) -> AuditHealth {
        self.queue.health()
    }

    fn flush(&self) -> Result<(), AuditError> {
        let (reply, answer) = sync_channel(1);
        self.queue.push_barrier(reply);
        wait(&answer)
    }

    fn replayed(&self) -> Result<Option<Replayed>, AuditError> {
        self.flush()?;
        Trail::open(&self.path)?.replayed().map(Some)
    }

    fn recorded(&self) -> Result<Option<Recorded>, AuditError> {
        self.flush()?;
        Trail::open(&self.path)?.recorded().map(Some)
    }
}

fn wait<T>(answer: &Receiver<Result<T, AuditError>>) -> Result<T, AuditError> {
    let gone = |_| Err(AuditError::unavailable("its writer has stopped"));
    answer.recv().unwrap_or_else(gone)
}

impl Drop for JsonlAudit {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has answered everybody who waited already.
            drop(writer.join());
        }
    }
}

/// How long a caller waits for a writer that gets nowhere.
const PATIENCE: Duration = Duration::from_secs(5);

impl fmt::Debug for JsonlAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonlAudit")
            .field("path", &self.path)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
