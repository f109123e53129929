//! From events to the catalog that they add up to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{AuditEvent, Change};

/// Returns the catalog that events add up to, as the JSON of its file.
///
/// Only committed operations and repairs change it; what was intended or aborted does not.
/// Hosts that share a catalog may record their operations in another order than the catalog saw
/// them: the revision decides.
///
/// ```
/// use keyway_host::audit::{AuditEvent, Change, replay};
/// use serde_json::json;
/// let event = AuditEvent::CatalogRepaired {
///     what: "migrated from schema 0".into(),
///     kept: None,
///     change: Box::new(Change::new().set("/schemaVersion", json!(1))),
/// };
/// assert_eq!(replay([&event]), json!({"schemaVersion": 1}));
/// ```
#[must_use]
pub fn replay<'a>(events: impl IntoIterator<Item = &'a AuditEvent>) -> Value {
    let mut replay = Replay::new();
    for event in events {
        replay.step(event);
    }
    replay.end().catalog
}

/// The catalog that a trail adds up to, and how far it goes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Replayed {
    /// The catalog, as the JSON of its file.
    pub catalog: Value,
    /// The last revision that was recorded; 0 where none was.
    pub revision: u64,
    /// Whether a revision before the last was never recorded.
    pub has_gap: bool,
}

/// How far a trail goes, without the catalog that it adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The last revision that was recorded; 0 where none was.
    pub revision: u64,
    /// Whether a revision before the last was never recorded.
    pub has_gap: bool,
}

impl From<&Replayed> for Recorded {
    fn from(replayed: &Replayed) -> Self {
        let (revision, has_gap) = (replayed.revision, replayed.has_gap);
        Self { revision, has_gap }
    }
}

/// A catalog on its way through a trail.
pub(super) struct Replay {
    catalog: Value,
    /// The revision of the catalog as far as it goes.
    revision: u64,
    /// Operations that were recorded before one of a lower revision.
    early: BTreeMap<u64, Change>,
}

impl Replay {
    pub(super) fn new() -> Self {
        Self {
            catalog: Value::Object(Map::new()),
            revision: 0,
            early: BTreeMap::new(),
        }
    }

    pub(super) fn step(&mut self, event: &AuditEvent) {
        match event {
            AuditEvent::OperationCommitted {
                revision, change, ..
            } => self.operation(*revision, change),
            AuditEvent::CatalogRepaired { change, .. } => {
                self.settle();
                self.apply(change);
                let revision = self.catalog.pointer("/keyway/revision");
                self.revision = revision.and_then(Value::as_u64).unwrap_or_default();
            }
            _ => {}
        }
    }

    /// Takes an operation of which nothing but the revision matters.
    pub(super) fn reach(&mut self, revision: u64) {
        let change = Change::new().set("/keyway/revision", json!(revision));
        self.operation(revision, &change);
    }

    pub(super) fn end(mut self) -> Replayed {
        let has_gap = !self.early.is_empty();
        self.settle();
        Replayed {
            catalog: self.catalog,
            revision: self.revision,
            has_gap,
        }
    }

    fn operation(&mut self, revision: u64, change: &Change) {
        // A repair told it before the host that made the change did. The first revision of a
        // catalog says all of it, so a catalog that began anew is taken as it is.
        if revision > 1 && revision <= self.revision {
            return;
        }
        if revision > self.revision + 1 {
            self.early.insert(revision, change.clone());
            return;
        }
        self.apply(change);
        self.revision = revision;
        while let Some(change) = self.early.remove(&(self.revision + 1)) {
            self.apply(&change);
            self.revision += 1;
        }
    }

    /// Stops waiting for revisions that were never recorded.
    fn settle(&mut self) {
        for (revision, change) in std::mem::take(&mut self.early) {
            self.apply(&change);
            self.revision = revision;
        }
    }

    fn apply(&mut self, change: &Change) {
        self.catalog = change.applied_to(std::mem::take(&mut self.catalog));
    }
}
