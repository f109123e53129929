//! The audit trail: ordered facts with who, what, why and when.
//!
//! This module says what an [`AuditEvent`] is, chains events into a tamper-evident file, reads
//! them back, verifies them and replays them into the catalog. It never decides anything and
//! never asks a plugin: what it is told, it keeps. Events come from the host's call path and
//! from catalog operations through an [`AuditSink`]; they go to one file of JSON lines.
//!
//! The format, what verifying proves and what redaction cannot find: `docs/audit.md`.

mod chain;
mod change;
mod disk;
mod encodings;
mod event;
mod file;
mod head;
mod jsonl;
mod memory;
mod queue;
mod record;
mod redact;
mod replay;
mod sink;
mod trail;
mod writer;

pub use change::Change;
pub use event::AuditEvent;
pub use head::Head;
pub use jsonl::JsonlAudit;
pub use memory::MemoryAudit;
pub use record::{Filter, Record};
pub use redact::{REDACTED, Redactor};
pub use replay::{Recorded, Replayed, replay};
pub use sink::{AuditError, AuditHealth, AuditSink};
pub use trail::{Records, Trail, Verified, records, verify, verify_against};
