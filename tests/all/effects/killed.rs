//! A host that is killed in the middle of a write: what was acknowledged is there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keyway_effects::EffectLimits;
use keyway_effects::files::Files;
use keyway_effects::state::StateFolder;

use super::{granted, plugin};

/// Names the folder in which a child of this test writes until it is killed.
const CHILD: &str = "KEYWAY_TEST_WRITER";
const ROUNDS: usize = 12;

fn child(test: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("effects::killed::{test}"),
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the child after it acknowledged some writes; returns the last acknowledged number.
fn kill_after(mut child: Child, acknowledged: usize) -> u64 {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut numbers = lines.filter_map(|line| line.ok()?.strip_prefix("ack ")?.parse().ok());
    let some = numbers.by_ref().take(acknowledged).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it wrote before it died counts as acknowledged too.
    numbers.last().unwrap_or(some)
}

#[test]
fn state_survives_a_kill_in_the_middle_of_writes() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let states = StateFolder::open(&folder, EffectLimits::default()).unwrap();
        let state = states.plugin(&plugin("a"), 1 << 30).unwrap();
        let from = state.get("n").unwrap().map_or(0, |n| number(&n));
        for n in from + 1.. {
            // Large, so that a kill often falls into a write, and rewrites come up.
            state.put("big", &filled(n, 100_000)).unwrap();
            state.put("n", n.to_string().as_bytes()).unwrap();
            println!("ack {n}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let test = "state_survives_a_kill_in_the_middle_of_writes";
        let acknowledged = kill_after(child(test, folder.path()), round);
        let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
        let state = states.plugin(&plugin("a"), 1 << 30).unwrap();
        let found = number(&state.get("n").unwrap().unwrap());
        assert!(
            found >= acknowledged,
            "{found} after {acknowledged} was acknowledged"
        );
        let big = state.get("big").unwrap().unwrap();
        assert!([filled(found, 100_000), filled(found + 1, 100_000)].contains(&big));
    }
}

#[test]
fn a_file_is_whole_after_a_kill_in_the_middle_of_writes() {
    let grant = granted(&["."]);
    if let Some(folder) = std::env::var_os(CHILD) {
        let files = Files::open(Path::new(&folder), EffectLimits::default()).unwrap();
        let from = files
            .read(&grant, "file")
            .map_or(0, |bytes| u64::from(bytes[0]));
        for n in from + 1.. {
            files
                .write(&grant, "file", &filled(n % 200, 1_000_000))
                .unwrap();
            println!("ack {}", n % 200);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let test = "a_file_is_whole_after_a_kill_in_the_middle_of_writes";
        let acknowledged = kill_after(child(test, folder.path()), round);
        let files = Files::open(folder.path(), EffectLimits::default()).unwrap();
        let found = files.read(&grant, "file").unwrap();
        let next = (acknowledged + 1) % 200;
        let whole = [filled(acknowledged, 1_000_000), filled(next, 1_000_000)];
        assert!(
            whole.contains(&found),
            "neither {acknowledged} nor the next one"
        );
        assert_eq!(files.list(&grant, ".").unwrap(), ["file"]);
    }
}

/// The control: a file that is written in place is torn by some kill.
#[test]
fn control_a_file_written_in_place_is_torn_by_a_kill() {
    let path = |folder: &Path| folder.join("file");
    if let Some(folder) = std::env::var_os(CHILD) {
        for n in 1.. {
            std::fs::write(path(Path::new(&folder)), filled(n % 200, 8_000_000)).unwrap();
            println!("ack {}", n % 200);
        }
    }
    let torn = (1..=200).any(|_| {
        let folder = tempfile::tempdir().unwrap();
        let test = "control_a_file_written_in_place_is_torn_by_a_kill";
        kill_after(child(test, folder.path()), 2);
        let found = std::fs::read(path(folder.path())).unwrap();
        found.len() != 8_000_000 || found.iter().any(|b| *b != found[0])
    });
    assert!(torn);
}

fn filled(n: u64, bytes: usize) -> Vec<u8> {
    vec![(n % 251) as u8; bytes]
}

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}
