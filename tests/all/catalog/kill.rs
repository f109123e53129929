//! A process killed in every system call that touches files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyway_host::catalog::CatalogState;
use keyway_host::store::{CatalogStore, FileStore};

/// The calls through which a catalog reaches the disk.
const CALLS: &str = "openat,read,write,fsync,fdatasync,flock,rename,renameat,renameat2,unlink,\
                     unlinkat,mkdir,mkdirat,statx,newfstatat,fstat,close,ftruncate,fchmod";

/// Both ways in which a change reaches the disk: the whole file, and a line of the journal.
const WAYS: [&str; 2] = ["whole", "journal"];

fn strace(arguments: &[&str], way: &str, dir: &Path, verb: &str) -> Output {
    let worker = env!("CARGO_BIN_EXE_catalog-worker");
    let mut command = Command::new("strace");
    command
        .arg("-f")
        .args(arguments)
        .arg(worker)
        .args(["one", way]);
    command.arg(dir).args([verb, "target"]).output().unwrap()
}

/// Copies a state folder, so that every kill starts from the same bytes.
fn copied(from: &Path) -> tempfile::TempDir {
    let dir = super::support::scratch();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

/// Runs a verb in a folder to its end.
#[track_caller]
fn complete(way: &str, dir: &Path, verb: &str) {
    let worker = env!("CARGO_BIN_EXE_catalog-worker");
    let mut command = Command::new(worker);
    let output = command
        .args(["one", way])
        .arg(dir)
        .args([verb, "target"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn load(dir: &Path) -> CatalogState {
    let loaded = FileStore::open(dir).unwrap().load().unwrap();
    assert_eq!(loaded.events, [], "recovery needs no repair");
    loaded.state
}

/// How often each call is made, found by running under trace once.
fn calls(way: &str, dir: &Path, verb: &str) -> BTreeMap<String, usize> {
    let log = dir.join("trace");
    let output = strace(
        &["-o", log.to_str().unwrap(), "-e", &format!("trace={CALLS}")],
        way,
        dir,
        verb,
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let Some((head, _)) = line.split_once('(') else {
            continue;
        };
        let name = head.split_whitespace().next_back().unwrap_or_default();
        if CALLS.split(',').any(|call| call == name) {
            *calls.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    calls
}

/// Returns the first of the calls of each name that happens after the program has started:
/// those before load its libraries and touch no catalog.
fn startup_calls() -> BTreeMap<String, usize> {
    let dir = super::support::scratch();
    let log = dir.path().join("trace");
    let worker = env!("CARGO_BIN_EXE_catalog-worker");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o"])
        .arg(&log)
        .arg("-e")
        .arg(format!("trace={CALLS}"));
    // Without words the worker says how to use it, and touches nothing.
    let output = command.arg(worker).output().unwrap();
    assert!(!output.status.success());
    let text = fs::read_to_string(log).unwrap();
    let mut calls = BTreeMap::new();
    for call in CALLS.split(',') {
        let made = text
            .lines()
            .filter(|line| line.contains(&format!("{call}(")));
        // The usage is one write, and a program may close what it opened: stay on the safe side.
        calls.insert(call.to_owned(), made.count().saturating_sub(2));
    }
    calls
}

struct Case {
    way: &'static str,
    verb: &'static str,
    before: tempfile::TempDir,
    old: CatalogState,
    new: CatalogState,
}

/// Each verb with a folder in which it succeeds.
fn cases(way: &'static str) -> Vec<Case> {
    let prepared: [(&str, &[&str]); 6] = [
        ("install", &[]),
        ("disable", &["install"]),
        ("enable", &["install", "disable"]),
        ("reload", &["install"]),
        ("revoke", &["install"]),
        ("uninstall", &["install"]),
    ];
    let case = |(verb, steps): (&'static str, &[&str])| {
        let before = super::support::scratch();
        for step in steps {
            complete(way, before.path(), step);
        }
        let after = copied(before.path());
        complete(way, after.path(), verb);
        Case {
            way,
            verb,
            old: load(before.path()),
            new: load(after.path()),
            before,
        }
    };
    prepared.into_iter().map(case).collect()
}

/// Kills the process in the `n`-th `call`. Returns whether it died before it was done.
#[track_caller]
fn killed(case: &Case, call: &str, n: usize) -> bool {
    let dir = copied(case.before.path());
    let inject = format!("inject={call}:signal=KILL:when={n}");
    let log: PathBuf = dir.path().join("trace");
    let output = strace(
        &["-o", log.to_str().unwrap(), "-e", &inject],
        case.way,
        dir.path(),
        case.verb,
    );
    let acknowledged = String::from_utf8_lossy(&output.stdout).contains("acknowledged");
    let what = format!("{} ({}) killed in {call} {n}", case.verb, case.way);
    let found = load(dir.path());
    assert!(
        found == case.old || found == case.new,
        "{what}: neither old nor new"
    );
    assert!(
        !acknowledged || found == case.new,
        "{what}: acknowledged and lost"
    );
    assert!(
        !dir.path().join("plugins.json.tmp").exists(),
        "{what}: leftover"
    );
    assert_eq!(load(dir.path()), found, "{what}: recovery is idempotent");
    // Whoever comes next can go on.
    if found == case.old {
        complete(case.way, dir.path(), case.verb);
        assert_eq!(load(dir.path()), case.new, "{what}");
    }
    !output.status.success()
}

#[test]
fn s_a2_a_kill_in_any_call_leaves_the_old_catalog_or_the_new_one() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace is not installed");
        return;
    }
    let startup = startup_calls();
    let mut kills = 0;
    for case in WAYS.into_iter().flat_map(cases) {
        let calls = calls(case.way, copied(case.before.path()).path(), case.verb);
        for (call, times) in calls {
            let first = startup.get(&call).copied().unwrap_or(0) + 1;
            for n in first..=times {
                kills += usize::from(killed(&case, &call, n));
            }
        }
    }
    println!("killed {kills} times");
    assert!(kills >= 60, "{kills}: the kills must bite");
}

/// The control: a program that writes in place, killed between its two writes.
#[test]
fn s_a2_control_a_kill_while_writing_in_place_leaves_half_a_catalog() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace is not installed");
        return;
    }
    let case = cases("whole").remove(1);
    let dir = copied(case.before.path());
    let path = dir.path().join("plugins.json");
    let script = r#"old=$(cat "$0"); : > "$0"; printf %s "$old" | dd of="$0" bs=64 status=none"#;
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "inject=write:signal=KILL:when=4",
    ]);
    command
        .args(["sh", "-c", script])
        .arg(&path)
        .output()
        .unwrap();
    let loaded = FileStore::open(dir.path()).unwrap().load().unwrap();
    assert_eq!(loaded.events[0].code, "CATALOG_DAMAGED");
}
