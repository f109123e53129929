//! What keeps things: stores, catalogs, audit sinks.

use std::fs::File;
use std::io::BufReader;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use keyway_host::audit::{
    AuditError, AuditEvent, AuditHealth, AuditSink, Head, JsonlAudit, MemoryAudit, Redactor,
    records,
};
use keyway_host::catalog::{
    Catalog, CatalogError, CatalogOperationResult, CatalogState, DurableCatalog, Operation, Plan,
};
use keyway_host::clock::{ManualClock, SystemClock};
use keyway_host::digest::Digest;
use keyway_host::store::{CatalogStore, FileStore, Loaded, MemoryStore, StoreError};
use keyway_test_support::contract;

use super::rejects;

#[test]
fn stores_that_ship_keep_the_contract() {
    contract::catalog_store(|| {
        let place = MemoryStore::new();
        move || place.clone()
    });
    contract::catalog_store(|| {
        let folder = tempfile::tempdir().unwrap();
        move || FileStore::open(folder.path()).unwrap()
    });
}

/// Overwrites whatever is there.
#[derive(Clone, Default)]
struct LastWriterWins(Arc<Mutex<CatalogState>>);

impl CatalogStore for LastWriterWins {
    fn load(&self) -> Result<Loaded, StoreError> {
        Ok(Loaded::intact(self.0.lock().unwrap().clone()))
    }
    fn commit(&self, _expected: u64, next: &Arc<CatalogState>) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = CatalogState::clone(next);
        Ok(())
    }
}

/// Says yes and keeps nothing.
#[derive(Clone, Default)]
struct Forgetful;

impl CatalogStore for Forgetful {
    fn load(&self) -> Result<Loaded, StoreError> {
        Ok(Loaded::intact(CatalogState::new()))
    }
    fn commit(&self, _expected: u64, _next: &Arc<CatalogState>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn broken_stores_are_rejected() {
    rejects("on an old revision", || {
        contract::catalog_store(|| {
            let place = LastWriterWins::default();
            move || place.clone()
        });
    });
    rejects("load must give what was committed", || {
        contract::catalog_store(|| || Forgetful);
    });
    rejects("another handle must see", || {
        // Every handle has a place of its own.
        contract::catalog_store(|| MemoryStore::new);
    });
}

// Catalogs.

fn memory_catalog() -> DurableCatalog {
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    DurableCatalog::open(MemoryStore::new(), clock).unwrap().0
}

#[test]
fn the_catalog_that_ships_keeps_the_contract() {
    contract::catalog(memory_catalog);
    let folder = tempfile::tempdir().unwrap();
    let number = AtomicUsize::new(0);
    contract::catalog(|| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let store = FileStore::open(folder.path().join(number.to_string())).unwrap();
        DurableCatalog::open(store, Arc::new(SystemClock::new()))
            .unwrap()
            .0
    });
}

/// Applies what was planned on an old revision, too.
struct Replans(DurableCatalog);

impl Catalog for Replans {
    fn snapshot(&self) -> Arc<CatalogState> {
        self.0.snapshot()
    }
    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        self.0.plan(operation)
    }
    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError> {
        let again = self.0.plan(plan.operation())?;
        self.0.apply(again)
    }
}

/// Changes the catalog while it plans.
struct Hasty(DurableCatalog);

impl Catalog for Hasty {
    fn snapshot(&self) -> Arc<CatalogState> {
        self.0.snapshot()
    }
    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        let plan = self.0.plan(operation)?;
        self.0.apply(plan.clone())?;
        Ok(plan)
    }
    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError> {
        Ok(plan.result().clone())
    }
}

#[test]
fn broken_catalogs_are_rejected() {
    rejects("a plan made on an old revision", || {
        contract::catalog(|| Replans(memory_catalog()));
    });
    rejects("planning must change nothing", || {
        contract::catalog(|| Hasty(memory_catalog()));
    });
}

// Audit sinks.

#[test]
fn sinks_that_ship_keep_the_contract() {
    contract::audit_sink(|| {
        let sink = Arc::new(MemoryAudit::new());
        let reader = Arc::clone(&sink);
        (sink, move || reader.events())
    });
    contract::audit_sink(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let clock = Arc::new(SystemClock::new());
        let sink = JsonlAudit::open(&path, clock, Redactor::new()).unwrap();
        let read = move || {
            let _keeps_the_folder = &folder;
            let file = File::open(&path).unwrap();
            let all = records(BufReader::new(file));
            all.map(|record| record.unwrap().event).collect()
        };
        (sink, read)
    });
}

/// A sink with one fault.
#[derive(Default)]
struct Faulty {
    events: Mutex<Vec<AuditEvent>>,
    fault: Fault,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Fault {
    #[default]
    DropsEverySeventh,
    OneHeadForAll,
    Reverses,
}

impl AuditSink for Faulty {
    fn record(&self, event: AuditEvent) {
        let mut events = self.events.lock().unwrap();
        match self.fault {
            Fault::DropsEverySeventh if events.len() % 7 == 6 => {}
            Fault::Reverses => events.insert(0, event),
            _ => events.push(event),
        }
    }
    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        self.record(event);
        Ok(Head::new(1, Digest::of(b"one")))
    }
    fn health(&self) -> AuditHealth {
        AuditHealth::Healthy
    }
}

#[test]
fn broken_sinks_are_rejected() {
    for (fault, rule) in [
        (Fault::DropsEverySeventh, "kept in their order"),
        (Fault::Reverses, "kept in their order"),
        (Fault::OneHeadForAll, "a place of its own"),
    ] {
        rejects(rule, || {
            contract::audit_sink(|| {
                let events = Mutex::default();
                let sink = Arc::new(Faulty { events, fault });
                let reader = Arc::clone(&sink);
                (sink, move || reader.events.lock().unwrap().clone())
            });
        });
    }
}
