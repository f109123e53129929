//! Lines beside a large catalog. Here the smallest counts as large.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_host::catalog::{Catalog, CatalogEvent, CatalogState, DurableCatalog, Operation};
use keyway_host::clock::ManualClock;
use keyway_host::store::{CatalogStore, FileStore, Loaded};
use keyway_plugin_api::AgentId;
use keyway_test_support::contract;

use super::support::{disable, enable, plugin, revoke, scratch};

fn store(dir: &Path) -> FileStore {
    FileStore::open(dir).unwrap().with_large_from(0)
}

fn open(dir: &Path) -> DurableCatalog {
    DurableCatalog::open(store(dir), Arc::new(ManualClock::at(1_000)))
        .unwrap()
        .0
}

/// Loads without shortcuts, as a process that has just started.
fn load(dir: &Path) -> Loaded {
    FileStore::open(dir).unwrap().load().unwrap()
}

fn codes(events: &[CatalogEvent]) -> Vec<&str> {
    events.iter().map(|event| event.code).collect()
}

struct Bench {
    dir: tempfile::TempDir,
    catalog: DurableCatalog,
    /// The catalog after each change, beginning with the one that the file alone holds.
    history: Vec<CatalogState>,
}

impl Bench {
    fn new() -> Self {
        let dir = scratch();
        let catalog = open(dir.path());
        let mut bench = Self {
            dir,
            catalog,
            history: Vec::new(),
        };
        for operation in [
            plugin("notes").install(),
            plugin("liar").install(),
            disable("notes"),
            revoke("liar"),
            enable("notes"),
        ] {
            bench.run(&operation);
        }
        bench
    }

    fn run(&mut self, operation: &Operation) {
        self.catalog.run(operation).unwrap();
        self.history
            .push(CatalogState::clone(&self.catalog.snapshot()));
    }

    fn snapshot(&self) -> PathBuf {
        self.dir.path().join("plugins.json")
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("plugins.journal")
    }

    fn last(&self) -> &CatalogState {
        self.history.last().unwrap()
    }
}

#[test]
fn changes_go_to_the_journal_and_the_file_alone_stays_a_whole_catalog() {
    let mut bench = Bench::new();
    let alone: CatalogState = serde_json::from_slice(&fs::read(bench.snapshot()).unwrap()).unwrap();
    assert_eq!(
        alone, bench.history[0],
        "the file is a whole catalog of its revision"
    );
    let lines = fs::read_to_string(bench.journal()).unwrap();
    assert_eq!(
        lines.lines().count(),
        bench.history.len(),
        "a header and a line for each change"
    );
    assert_eq!(&load(bench.dir.path()).state, bench.last());
    bench.run(&disable("notes"));
    let more = fs::read_to_string(bench.journal()).unwrap();
    assert!(more.starts_with(&lines), "lines are only added");
}

#[test]
fn a_long_journal_ends_in_a_new_file() {
    let mut bench = Bench::new();
    let text = "x".repeat(2_000);
    let propose = Operation::Propose {
        source: text.clone(),
        why: text,
        by: AgentId::parse("triage").unwrap(),
    };
    for _ in 0..40 {
        bench.run(&propose);
    }
    assert!(bench.journal().exists());
    while bench.journal().exists() {
        bench.run(&propose);
    }
    let alone: CatalogState = serde_json::from_slice(&fs::read(bench.snapshot()).unwrap()).unwrap();
    assert_eq!(&alone, bench.last());
    bench.run(&disable("notes"));
    assert!(bench.journal().exists(), "and a new journal begins");
    assert_eq!(&load(bench.dir.path()).state, bench.last());
}

#[test]
fn a_second_process_sees_every_line() {
    let mut bench = Bench::new();
    let second = open(bench.dir.path());
    bench.run(&disable("notes"));
    assert!(second.refresh().unwrap());
    assert_eq!(&*second.snapshot(), bench.last());
    second.run(&plugin("other").install()).unwrap();
    bench.run(&enable("notes"));
    assert!(bench.last().entries.len() == 3, "no change is lost");
    assert!(second.refresh().unwrap());
    assert!(!second.refresh().unwrap());
    assert_eq!(&*second.snapshot(), bench.last());
}

#[test]
fn the_contract_of_stores_holds_with_a_journal() {
    contract::catalog_store(|| {
        let dir = scratch();
        move || store(dir.path())
    });
}

/// A torn end is what an interrupted append leaves: whatever was not acknowledged is dropped.
#[test]
fn s_a5_a_journal_truncated_at_each_length_is_read_up_to_its_last_whole_line() {
    let bench = Bench::new();
    let (file, lines) = (
        fs::read(bench.snapshot()).unwrap(),
        fs::read(bench.journal()).unwrap(),
    );
    let header = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut seen = Vec::new();
    for length in header..=lines.len() {
        fs::write(bench.snapshot(), &file).unwrap();
        fs::write(bench.journal(), &lines[..length]).unwrap();
        let loaded = load(bench.dir.path());
        assert_eq!(loaded.events, [], "cut at {length}");
        let at = bench
            .history
            .iter()
            .position(|state| *state == loaded.state);
        seen.push(at.unwrap_or_else(|| panic!("cut at {length}: a catalog that never was")));
    }
    assert!(seen.is_sorted(), "longer journals say more");
    assert_eq!(seen.last(), Some(&(bench.history.len() - 1)));
    // Whoever writes next cuts the torn end off first.
    fs::write(bench.journal(), &lines[..lines.len() - 5]).unwrap();
    let next = open(bench.dir.path());
    next.run(&plugin("other").install()).unwrap();
    assert_eq!(load(bench.dir.path()).state, *next.snapshot());
}

#[test]
fn s_a5_each_byte_of_a_journal_flipped() {
    let bench = Bench::new();
    let (file, lines) = (
        fs::read(bench.snapshot()).unwrap(),
        fs::read(bench.journal()).unwrap(),
    );
    let last_line = lines[..lines.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    for at in 0..lines.len() {
        let mut broken = lines.clone();
        broken[at] ^= 0x01;
        fs::write(bench.snapshot(), &file).unwrap();
        fs::write(bench.journal(), &broken).unwrap();
        let loaded = load(bench.dir.path());
        assert!(
            bench.history.contains(&loaded.state),
            "flip at {at}: never was"
        );
        if at < last_line {
            assert_eq!(codes(&loaded.events), ["CATALOG_DAMAGED"], "flip at {at}");
            let aside = bench.dir.path().join("plugins.journal.damaged-1");
            assert_eq!(
                fs::read(&aside).unwrap(),
                broken,
                "flip at {at}: kept whole"
            );
            fs::remove_file(aside).unwrap();
            let again = load(bench.dir.path());
            assert_eq!(
                (again.state, again.events),
                (loaded.state, Vec::new()),
                "said once"
            );
        } else {
            assert_ne!(
                &loaded.state,
                bench.last(),
                "a damaged last line is not believed"
            );
        }
    }
}

/// The control: lines without checksums would be believed.
#[test]
fn s_a5_control_without_its_checksum_a_flipped_line_would_be_believed() {
    let bench = Bench::new();
    let lines = fs::read_to_string(bench.journal()).unwrap();
    let believed = |line: &str| serde_json::from_str::<serde_json::Value>(&line[17..]).is_ok();
    let last = lines.lines().last().unwrap();
    let flipped = last.replace("\"enabled\":true", "\"enabled\":false");
    assert_ne!(flipped, last);
    assert!(believed(&flipped));
}

#[test]
fn a_spent_journal_beside_a_newer_file_is_ignored() {
    let bench = Bench::new();
    let lines = fs::read(bench.journal()).unwrap();
    let whole = FileStore::open(bench.dir.path()).unwrap();
    let catalog = DurableCatalog::open(whole, Arc::new(ManualClock::at(2_000)))
        .unwrap()
        .0;
    catalog.run(&disable("notes")).unwrap();
    assert!(!bench.journal().exists(), "the whole file was written");
    // The power went before the journal was gone for good.
    fs::write(bench.journal(), lines).unwrap();
    let loaded = load(bench.dir.path());
    assert_eq!(
        (loaded.state, loaded.events),
        (CatalogState::clone(&catalog.snapshot()), vec![])
    );
    let next = open(bench.dir.path());
    next.run(&enable("notes")).unwrap();
    assert_eq!(load(bench.dir.path()).state, *next.snapshot());
}

#[test]
fn a_journal_of_a_newer_file_than_the_one_put_back_is_kept_aside_and_said() {
    let bench = Bench::new();
    let lines = fs::read_to_string(bench.journal()).unwrap();
    let backup = CatalogState::new().to_json().unwrap();
    fs::write(bench.snapshot(), backup).unwrap();
    let loaded = load(bench.dir.path());
    assert_eq!(codes(&loaded.events), ["CATALOG_DAMAGED"]);
    assert!(
        loaded.events[0]
            .message
            .ends_with("continues revision 1, but the catalog is at 0; it is not used"),
        "{}",
        loaded.events[0].message
    );
    assert_eq!(loaded.state, CatalogState::new());
    let aside = bench.dir.path().join("plugins.journal.damaged-1");
    assert_eq!(fs::read_to_string(aside).unwrap(), lines);
    assert_eq!(load(bench.dir.path()).events, []);
}

#[test]
fn an_edit_of_the_file_by_hand_shows_beside_a_journal_too() {
    let bench = Bench::new();
    let text = fs::read_to_string(bench.snapshot()).unwrap();
    let edited = text.replace(
        "\"version\": \"1.0.0\"",
        "\"version\": \"1.0.0\",\n        \"note\": 1",
    );
    assert_ne!(edited, text);
    fs::write(bench.snapshot(), edited).unwrap();
    let stale = bench.catalog.plan(&plugin("other").install()).unwrap();
    assert_eq!(bench.catalog.apply(stale).unwrap_err().code(), "CONFLICT");
    bench.catalog.run(&plugin("other").install()).unwrap();
    assert!(load(bench.dir.path()).state.entries.len() == 3);
}
