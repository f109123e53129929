//! The audit trail: ordered facts with who, what, why and when.
//!
//! This module says what an [`AuditEvent`] is, chains events into a tamper-evident file, reads
//! them back, verifies them and replays them into the catalog. It never decides anything and
//! never asks a plugin: what it is told, it keeps. Events come from the host's call path and
//! from catalog operations through an [`AuditSink`]; they go to one file of JSON lines.

mod change;
mod event;
mod head;
mod memory;
mod sink;

pub use change::Change;
pub use event::AuditEvent;
pub use head::Head;
pub use memory::MemoryAudit;
pub use sink::{AuditError, AuditHealth, AuditSink};
