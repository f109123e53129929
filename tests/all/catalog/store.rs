//! The file store on a disk that works.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use keyway_host::catalog::{Catalog, CatalogError, CatalogEvent, DurableCatalog};
use keyway_host::clock::ManualClock;
use keyway_host::store::{CatalogStore, FileStore, Loaded, MemoryStore, StoreError};
use serde_json::json;

use super::support::{approve, disable, enable, id, plugin};

pub(crate) fn open(dir: &Path) -> (DurableCatalog, Vec<CatalogEvent>) {
    let store = FileStore::open(dir).unwrap();
    DurableCatalog::open(store, Arc::new(ManualClock::at(1_000))).unwrap()
}

fn codes(events: &[CatalogEvent]) -> Vec<&str> {
    events.iter().map(|event| event.code).collect()
}

fn load(dir: &Path) -> Result<Loaded, StoreError> {
    FileStore::open(dir).unwrap().load()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A state folder with one plugin in it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, _) = open(dir.path());
    catalog.run(&plugin("notes").install()).unwrap();
    dir
}

#[test]
fn c01_a_second_process_opens_the_same_path_and_sees_the_change() {
    let dir = folder();
    let (first, _) = open(dir.path());
    let (second, _) = open(dir.path());
    first.run(&disable("notes")).unwrap();
    assert!(second.snapshot().entry(&id("notes")).unwrap().enabled);
    assert!(second.refresh().unwrap());
    assert!(!second.snapshot().entry(&id("notes")).unwrap().enabled);
    assert!(!second.refresh().unwrap(), "nothing new");
    second.run(&enable("notes")).unwrap();
    assert!(
        load(dir.path())
            .unwrap()
            .state
            .entry(&id("notes"))
            .unwrap()
            .enabled
    );
}

#[test]
fn a_plan_of_an_old_revision_does_not_apply() {
    let dir = folder();
    let (first, _) = open(dir.path());
    let (second, _) = open(dir.path());
    let plan = first.plan(&disable("notes")).unwrap();
    second.run(&plugin("other").install()).unwrap();
    let error = first.apply(plan).unwrap_err();
    assert!(
        matches!(
            error,
            CatalogError::Conflict {
                expected: 1,
                found: 2
            }
        ),
        "{error}"
    );
    assert_eq!(error.code(), "CONFLICT");
    first.refresh().unwrap();
    first.apply(first.plan(&disable("notes")).unwrap()).unwrap();
}

#[test]
fn an_operator_judges_what_was_looked_at_and_nothing_newer() {
    let dir = folder();
    let (first, _) = open(dir.path());
    first.run(&plugin("asker").runs().install()).unwrap();
    let (second, _) = open(dir.path());
    second.run(&disable("notes")).unwrap();
    let error = first.run(&approve("asker")).unwrap_err();
    assert_eq!(error.code(), "CONFLICT");
    first.refresh().unwrap();
    first.run(&approve("asker")).unwrap();
}

#[test]
fn an_edit_by_hand_is_not_overwritten() {
    let dir = folder();
    let store = FileStore::open(dir.path()).unwrap();
    let loaded = store.load().unwrap().state;
    let text = fs::read_to_string(store.path()).unwrap();
    let edited = text.replace("\"enabled\": true", "\"enabled\": false");
    assert_ne!(edited, text);
    fs::write(store.path(), &edited).unwrap();
    let error = store
        .commit(loaded.revision(), &Arc::new(loaded.clone()))
        .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert_eq!(fs::read_to_string(store.path()).unwrap(), edited);
}

#[test]
fn c12_a_truncated_file_is_kept_aside_and_reported() {
    let dir = folder();
    let path = dir.path().join("plugins.json");
    for n in 1..=3 {
        let whole = json!({ "schemaVersion": 1, "entries": {} }).to_string();
        fs::write(&path, &whole[..20]).unwrap();
        let (catalog, events) = open(dir.path());
        assert_eq!(codes(&events), ["CATALOG_DAMAGED"]);
        let aside = dir.path().join(format!("plugins.json.damaged-{n}"));
        assert!(events[0].message.contains(&path.display().to_string()));
        assert!(events[0].message.contains(&aside.display().to_string()));
        assert_eq!(fs::read_to_string(&aside).unwrap(), whole[..20]);
        assert!(catalog.snapshot().entries.is_empty());
        catalog.run(&plugin("builtin-one").install()).unwrap();
    }
}

#[test]
fn c12_a_newer_version_is_refused_and_left_alone() {
    let dir = folder();
    let path = dir.path().join("plugins.json");
    for newer in [
        json!({ "schemaVersion": 2, "whatever": true }).to_string(),
        fs::read_to_string(&path).unwrap().replace(
            "\"schemaVersion\": 1",
            "\"schemaVersion\": 18446744073709551615",
        ),
    ] {
        fs::write(&path, &newer).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert_eq!(error.code(), "SCHEMA_NEWER");
        assert_eq!(error.hints(), ["upgrade keyway"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    }
}

#[test]
fn c12_a_dangling_slot_is_repaired_with_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, _) = open(dir.path());
    catalog
        .run(&plugin("store").slot("memory").install())
        .unwrap();
    let path = dir.path().join("plugins.json");
    let text = fs::read_to_string(&path).unwrap();
    let dangling = text.replace(
        "\"memory\": \"store\"",
        "\"memory\": \"store\", \"llm\": \"gone\"",
    );
    assert_ne!(dangling, text);
    fs::write(&path, dangling).unwrap();
    let (catalog, events) = open(dir.path());
    assert_eq!(codes(&events), ["SLOT_REPAIRED"]);
    catalog.run(&plugin("notes").install()).unwrap();
    assert!(
        !fs::read_to_string(&path).unwrap().contains("gone"),
        "repaired on disk"
    );
    assert_eq!(load(dir.path()).unwrap().events, []);
}

#[test]
fn c12_a_leftover_of_a_crash_is_ignored_and_cleared() {
    let dir = folder();
    let before = load(dir.path()).unwrap();
    fs::write(dir.path().join("plugins.json.tmp"), b"{\"half\": ").unwrap();
    assert_eq!(load(dir.path()).unwrap(), before);
    assert_eq!(names(dir.path()), ["plugins.json", "plugins.lock"]);
}

#[test]
fn opening_an_absent_folder_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("deep/.keyway");
    let (catalog, events) = open(&absent);
    assert_eq!(events, []);
    assert!(!absent.exists());
    catalog.run(&plugin("notes").install()).unwrap();
    assert_eq!(names(&absent), ["plugins.json", "plugins.lock"]);
}

#[test]
fn the_file_is_the_layout_with_a_final_newline() {
    let dir = folder();
    let text = fs::read_to_string(dir.path().join("plugins.json")).unwrap();
    let state = load(dir.path()).unwrap().state;
    assert_eq!(text, format!("{}\n", state.to_json().unwrap()));
}

#[test]
fn an_operation_that_changes_nothing_writes_nothing() {
    let dir = folder();
    let (catalog, _) = open(dir.path());
    let before = fs::metadata(dir.path().join("plugins.json")).unwrap();
    catalog
        .run(&keyway_host::catalog::Operation::Sweep)
        .unwrap();
    let after = fs::metadata(dir.path().join("plugins.json")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert_eq!(catalog.snapshot().revision(), 1);
}

#[test]
fn a_catalog_that_grows_too_large_is_refused_and_the_old_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let limits = keyway_host::limits::Limits {
        catalog_bytes: 1_200,
        ..Default::default()
    };
    let disk = Arc::new(keyway_host::store::disk::RealDisk::default());
    let store = FileStore::open_with(dir.path(), &limits, disk).unwrap();
    let (catalog, _) = DurableCatalog::open(store, Arc::new(ManualClock::at(1))).unwrap();
    catalog.run(&plugin("notes").install()).unwrap();
    let before = catalog.snapshot();
    let error = catalog.run(&plugin("other").install()).unwrap_err();
    assert_eq!(error.code(), "LIMIT_EXCEEDED");
    assert_eq!(catalog.snapshot(), before);
}

/// Every store answers alike.
#[test]
fn stores_agree_on_load_commit_and_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let stores: [Box<dyn CatalogStore>; 2] = [
        Box::new(MemoryStore::new()),
        Box::new(FileStore::open(dir.path()).unwrap()),
    ];
    for store in stores {
        let empty = store.load().unwrap();
        assert_eq!((empty.state.revision(), empty.events.len()), (0, 0));
        let install = plugin("notes").install();
        let plan = keyway_host::catalog::decide(&empty.state, &install, 5).unwrap();
        store.commit(0, plan.shared_next()).unwrap();
        assert_eq!(&store.load().unwrap().state, plan.next());
        let error = store.commit(0, plan.shared_next()).unwrap_err();
        assert!(matches!(
            error,
            StoreError::Conflict {
                expected: 0,
                found: 1
            }
        ));
        let mut seen = Vec::new();
        let disable = disable("notes");
        store
            .transact(&mut |state| {
                seen.push(state.revision());
                let plan = keyway_host::catalog::decide(state, &disable, 6).unwrap();
                Some(Arc::clone(plan.shared_next()))
            })
            .unwrap();
        assert_eq!(seen, [1]);
        assert_eq!(store.load().unwrap().state.revision(), 2);
        store.transact(&mut |_| None).unwrap();
        assert_eq!(store.load().unwrap().state.revision(), 2);
    }
}
