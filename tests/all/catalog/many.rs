//! Many processes at once, and processes that die with the lock in their hands.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use keyway_host::catalog::{Catalog, CatalogState};
use keyway_host::store::{CatalogStore, FileStore};
use keyway_plugin_api::Slot;

use super::store::open;
use super::support::{assert_sound, plugin};

const WORKERS: usize = 16;
const CHANGES: u64 = 200;

fn worker(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-worker"));
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn load(dir: &Path) -> CatalogState {
    let loaded = FileStore::open(dir).unwrap().load().unwrap();
    assert_eq!(loaded.events, []);
    loaded.state
}

#[test]
fn s_a6_sixteen_processes_lose_no_change() {
    for way in ["whole", "journal"] {
        sixteen_processes(way);
    }
}

#[track_caller]
fn sixteen_processes(way: &str) {
    let dir = super::support::scratch();
    let path = dir.path().to_str().unwrap().to_owned();
    let start = |n: usize| -> Child {
        let (name, count) = (n.to_string(), CHANGES.to_string());
        worker(&["many", way, &path, &name, &count])
            .spawn()
            .unwrap()
    };
    let workers: Vec<_> = (0..WORKERS).map(start).collect();
    let mut acknowledged = 0;
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let made: u64 = String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert_eq!(made, CHANGES);
        acknowledged += made;
    }
    let state = load(dir.path());
    assert_eq!(
        state.revision(),
        acknowledged,
        "one revision for each change"
    );
    assert_eq!(state.entries.len(), 2 * WORKERS);
    assert_sound(&state);
    let rivals = state
        .listed()
        .filter(|(_, entry)| entry.exclusive_slot() == Some(Slot::Llm));
    let enabled: Vec<_> = rivals
        .filter(|(_, entry)| entry.enabled)
        .map(|(id, _)| id)
        .collect();
    assert!(enabled.len() <= 1, "one holder of the slot");
    assert_eq!(state.occupant(Slot::Llm), enabled.first().copied());
}

/// The control: without the lock and the check of the revision, changes are lost.
#[test]
fn s_a6_control_read_change_write_without_a_lock_loses_changes() {
    let dir = super::support::scratch();
    let path = dir.path().join("plugins.json");
    std::fs::write(&path, CatalogState::new().to_json().unwrap()).unwrap();
    let read =
        || -> CatalogState { serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() };
    let (first, second) = (read(), read());
    for (state, name) in [(first, "one"), (second, "two")] {
        let install = plugin(name).install();
        let plan = keyway_host::catalog::decide(&state, &install, 5).unwrap();
        std::fs::write(&path, plan.next().to_json().unwrap()).unwrap();
    }
    assert_eq!(
        read().entries.len(),
        1,
        "one of two acknowledged changes is gone"
    );
}

/// Starts a process that holds the lock, and returns once it does.
fn holder(dir: &Path) -> Child {
    let mut child = worker(&["hold", dir.to_str().unwrap()]).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "holding");
    child
}

#[test]
fn s_a6_the_lock_of_a_dead_process_is_free_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, _) = open(dir.path());
    catalog.run(&plugin("notes").install()).unwrap();
    let mut holder = holder(dir.path());
    let (done, waits) = mpsc::channel();
    let change = std::thread::spawn(move || {
        let outcome = catalog.run(&plugin("other").install());
        done.send(()).unwrap();
        outcome
    });
    // The control: as long as the holder lives, the change waits.
    assert!(waits.recv_timeout(Duration::from_millis(300)).is_err());
    holder.kill().unwrap();
    holder.wait().unwrap();
    waits.recv_timeout(Duration::from_secs(10)).unwrap();
    change.join().unwrap().unwrap();
    assert_eq!(load(dir.path()).entries.len(), 2);
}

#[test]
fn threads_of_one_process_lose_no_change() {
    let dir = super::support::scratch();
    let (catalog, _) = open(dir.path());
    std::thread::scope(|scope| {
        for n in 0..8 {
            let catalog = &catalog;
            scope.spawn(move || {
                for m in 0..20 {
                    catalog
                        .run(&plugin(&format!("t{n}-x{m}x")).install())
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(catalog.snapshot().revision(), 160);
    assert_eq!(load(dir.path()), *catalog.snapshot());
}
