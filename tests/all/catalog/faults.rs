//! A disk that fails: at every step, in every way, once or for good.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use keyway_host::catalog::{Catalog, CatalogState, DurableCatalog, Operation};
use keyway_host::clock::ManualClock;
use keyway_host::limits::Limits;
use keyway_host::store::disk::{Disk, DiskOp, DiskReply, RealDisk};
use keyway_host::store::{CatalogStore, FileStore};

use super::support::{disable, enable, plugin, scratch, uninstall};

/// What the operating system may say, by its numbers on Linux.
const ERRORS: [(&str, i32); 7] = [
    ("EIO", 5),
    ("EACCES", 13),
    ("EMFILE", 24),
    ("EFBIG", 27),
    ("ENOSPC", 28),
    ("EROFS", 30),
    ("EDQUOT", 122),
];

/// How a disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The step does nothing.
    Before,
    /// The step does half, or all of it, and says it failed.
    During,
    /// The step and every later one do nothing.
    FromThenOn,
}

#[derive(Debug, Default)]
struct Script {
    step: usize,
    fail_at: Option<(usize, Fault, i32)>,
    log: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct FaultyDisk(Arc<Mutex<Script>>);

impl FaultyDisk {
    fn fail_at(&self, step: usize, fault: Fault, code: i32) {
        let mut script = self.0.lock().unwrap();
        *script = Script {
            fail_at: Some((step, fault, code)),
            ..Script::default()
        };
    }

    fn heal(&self) -> (usize, Vec<String>) {
        let mut script = self.0.lock().unwrap();
        script.fail_at = None;
        (script.step, std::mem::take(&mut script.log))
    }
}

fn half_done(op: DiskOp<'_>) {
    let disk = RealDisk::default();
    let _ = match op {
        DiskOp::Write { path, bytes } => disk.perform(DiskOp::Write {
            path,
            bytes: &bytes[..bytes.len() / 2],
        }),
        DiskOp::Append { path, at, bytes } => disk.perform(DiskOp::Append {
            path,
            at,
            bytes: &bytes[..bytes.len() / 2],
        }),
        // A rename that reached the disk before the error did.
        DiskOp::SyncDir(_) => disk.perform(op),
        _ => Ok(DiskReply::Done),
    };
}

impl Disk for FaultyDisk {
    fn perform(&self, op: DiskOp<'_>) -> io::Result<DiskReply> {
        let mut script = self.0.lock().unwrap();
        let step = script.step;
        script.step += 1;
        let word = format!("{op:?}");
        let word = word.split([' ', '(']).next().unwrap_or_default().to_owned();
        script.log.push(word);
        match script.fail_at {
            Some((at, fault, code)) if at == step || (fault == Fault::FromThenOn && step > at) => {
                if fault == Fault::During {
                    half_done(op);
                }
                Err(io::Error::from_raw_os_error(code))
            }
            _ => RealDisk::default().perform(op),
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    disk: FaultyDisk,
    catalog: DurableCatalog,
}

impl Bench {
    /// With `changes` made already: beside a large catalog the first makes the file, the second
    /// begins the journal, and the third adds a line.
    fn new(large_from: usize, changes: usize) -> Self {
        let dir = scratch();
        let disk = FaultyDisk::default();
        let store = FileStore::open_with(dir.path(), &Limits::default(), Arc::new(disk.clone()));
        let store = store.unwrap().with_large_from(large_from);
        let clock = Arc::new(ManualClock::at(1_000));
        let (catalog, _) = DurableCatalog::open(store, clock).unwrap();
        catalog
            .run(&plugin("notes").slot("memory").install())
            .unwrap();
        for n in 1..changes {
            catalog
                .run(&plugin(&format!("filler-x{n}x")).install())
                .unwrap();
        }
        Self { dir, disk, catalog }
    }

    /// The catalog as another process finds it.
    fn on_disk(&self) -> CatalogState {
        let loaded = FileStore::open(self.dir.path()).unwrap().load().unwrap();
        assert_eq!(loaded.events, []);
        loaded.state
    }
}

fn operations() -> [Operation; 4] {
    [
        plugin("other").install(),
        disable("notes"),
        plugin("notes").slot("memory").version("1.0.1").reload(),
        uninstall("notes"),
    ]
}

/// How many steps a change takes on a healthy disk.
fn steps(operation: &Operation, (large_from, changes): (usize, usize)) -> usize {
    let bench = Bench::new(large_from, changes);
    bench.disk.heal();
    bench.disk.0.lock().unwrap().step = 0;
    bench.catalog.run(operation).unwrap();
    bench.disk.heal().0
}

#[test]
fn s_a4_a_failed_step_leaves_memory_and_disk_at_the_old_catalog() {
    let mut failures = 0;
    for operation in operations() {
        for start in STARTS {
            for step in 0..steps(&operation, start) {
                for fault in [Fault::Before, Fault::During, Fault::FromThenOn] {
                    // Which error it is matters to nothing but the message.
                    let error = ERRORS[failures % ERRORS.len()];
                    let bench = Bench::new(start.0, start.1);
                    failures += usize::from(fails_clean(&bench, &operation, (step, fault), error));
                }
            }
        }
    }
    println!("{failures} failures, all clean");
    assert!(failures > 200, "{failures}");
}

/// Where a catalog counts as large, and how many changes were made before: the whole file, the
/// first line of a journal, a further line.
const STARTS: [(usize, usize); 3] = [(usize::MAX, 1), (0, 1), (0, 3)];

/// Runs a change on a failing disk. Returns whether it failed; a step may also fail without
/// consequence, where it only clears something away.
#[track_caller]
fn fails_clean(
    bench: &Bench,
    operation: &Operation,
    (step, fault): (usize, Fault),
    (name, code): (&str, i32),
) -> bool {
    let old = bench.catalog.snapshot();
    bench.disk.fail_at(step, fault, code);
    let outcome = bench.catalog.run(operation);
    let (_, log) = bench.disk.heal();
    let what = format!(
        "{:?} step {step} {fault:?} {name}: {log:?}",
        operation.kind()
    );
    let is_failure = outcome.is_err();
    if let Err(error) = outcome {
        assert_eq!(error.code(), "STORE_FAILED", "{what}");
        let dir = bench.dir.path().display().to_string();
        assert!(error.to_string().contains(&dir), "{what}: {error}");
        // Where even putting the old catalog back failed, the disk says what happened.
        if error.to_string().contains("has to be read again") {
            bench.catalog.refresh().unwrap();
        } else {
            assert_eq!(*bench.catalog.snapshot(), *old, "{what}");
        }
    }
    assert_eq!(*bench.catalog.snapshot(), bench.on_disk(), "{what}");
    // The disk is well again: the same change works, unless it happened after all.
    if let Err(error) = bench.catalog.run(operation) {
        let done = ["ALREADY_INSTALLED", "ALREADY_DISABLED", "PLUGIN_NOT_FOUND"];
        assert!(done.contains(&error.code()), "{what}: {error}");
    }
    assert_eq!(*bench.catalog.snapshot(), bench.on_disk(), "{what}");
    is_failure
}

#[test]
fn s_a4_a_failed_sync_is_not_tried_again_but_written_anew() {
    let operation = disable("notes");
    let bench = Bench::new(usize::MAX, 1);
    bench.disk.heal();
    bench.disk.0.lock().unwrap().step = 0;
    bench.catalog.run(&operation).unwrap();
    let (_, log) = bench.disk.heal();
    let write = log.iter().position(|op| op == "Write").unwrap();

    let bench = Bench::new(usize::MAX, 1);
    bench.disk.fail_at(write, Fault::During, 5);
    bench.catalog.run(&operation).unwrap_err();
    bench.catalog.run(&enable("notes")).unwrap_err();
    bench.disk.fail_at(usize::MAX, Fault::Before, 5);
    bench.catalog.run(&operation).unwrap();
    let (_, log) = bench.disk.heal();
    let at = |word: &str| log.iter().position(|op| op == word).unwrap();
    assert!(
        at("Remove") < at("Write"),
        "the doubtful file goes first: {log:?}"
    );
    assert_eq!(*bench.catalog.snapshot(), bench.on_disk());
}

/// The control: writing in place loses the old catalog when the disk fills up half-way.
#[test]
fn s_a4_control_writing_in_place_loses_the_old_catalog() {
    let bench = Bench::new(usize::MAX, 1);
    let path = bench.dir.path().join("plugins.json");
    let old = fs::read(&path).unwrap();
    let in_place = |bytes: &[u8]| -> io::Result<()> {
        fs::write(&path, &bytes[..bytes.len() / 2])?;
        Err(io::Error::from_raw_os_error(28))
    };
    in_place(&old).unwrap_err();
    let loaded = FileStore::open(bench.dir.path()).unwrap().load().unwrap();
    assert_eq!(loaded.events[0].code, "CATALOG_DAMAGED");
}

/// A real limit of the operating system instead of a script: no file may grow beyond 1 KiB.
#[cfg(unix)]
#[test]
fn s_a4_a_real_file_size_limit_refuses_and_keeps_the_old_catalog() {
    let dir = tempfile::tempdir().unwrap();
    let worker = env!("CARGO_BIN_EXE_catalog-worker");
    let run = |limit: &str, verb: &str, name: &str| {
        let script = format!("trap '' XFSZ; {limit} exec \"$0\" one whole \"$1\" {verb} {name}");
        let dir: &Path = dir.path();
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &script, worker])
            .arg(dir)
            .output()
            .unwrap()
    };
    assert!(run("", "install", "first").status.success());
    assert!(run("", "install", "second").status.success());
    let before = fs::read(dir.path().join("plugins.json")).unwrap();
    assert!(before.len() > 1024, "{}", before.len());

    // Blocks of 512 bytes in sh; bash in its own mode counts 1024: both are less than the file.
    let limited = run("ulimit -f 1;", "disable", "first");
    assert!(!limited.status.success());
    let said = String::from_utf8_lossy(&limited.stderr);
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(fs::read(dir.path().join("plugins.json")).unwrap(), before);
    assert!(run("", "disable", "first").status.success());
    assert!(!dir.path().join("plugins.json.tmp").exists());
}
