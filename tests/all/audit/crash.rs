//! What a killed process and a full disk leave behind. Each test starts itself again as a child
//! and does to it what cannot be done to oneself.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use keyway_host::audit::{AuditEvent, AuditSink, Head, JsonlAudit, Redactor, Trail};
use keyway_host::clock::SystemClock;

use super::support::{CHILD, Scene, called};

#[test]
fn s_i3_no_acknowledged_record_is_lost_to_a_kill() {
    if let Some(path) = std::env::var_os(CHILD) {
        return acknowledge_for_ever(Path::new(&path));
    }
    let scene = Scene::new();
    for round in 0..8 {
        let mut child = this_test("s_i3_no_acknowledged_record_is_lost_to_a_kill", &scene, "");
        let said = heads_until_killed(&mut child, 20 + round * 7);
        let last = said.last().unwrap();
        // Whatever is after the last whole record is set aside; nothing before it is.
        drop(scene.open());
        scene.trail().verify_against(last).unwrap();
        for head in &said {
            let record = scene.trail().records().unwrap().nth(head.seq as usize - 1);
            assert_eq!(record.unwrap().unwrap().hash, head.hash);
        }
    }
}

/// Acts only once the trail has the act, and says so; between the two it can be killed.
fn acknowledge_for_ever(path: &Path) {
    let audit = open(path);
    for call in 0.. {
        audit.record(called(call));
        let head = audit.record_durably(called(call)).unwrap();
        println!("HEAD {head}");
    }
}

#[test]
fn s_i3_on_a_full_disk_privileged_acts_are_refused_and_calls_go_on() {
    if let Some(path) = std::env::var_os(CHILD) {
        return fill_the_disk(Path::new(&path));
    }
    let scene = Scene::new();
    let name = "s_i3_on_a_full_disk_privileged_acts_are_refused_and_calls_go_on";
    // A limit on the size of files stands in for the disk; its signal is ignored, so that
    // writing fails as it does there: after some of the bytes.
    let output = this_test(name, &scene, "trap '' XFSZ; ulimit -f 64;")
        .wait_with_output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let fact = |name: &str| -> u64 {
        let line = said.lines().find_map(|line| line.split(name).nth(1));
        line.unwrap_or_else(|| panic!("{name} is missing in {said}"))
            .trim()
            .parse()
            .unwrap()
    };
    assert_eq!(fact("REFUSED "), 1);
    assert_eq!(fact("CALLS AFTER "), 1_000);
    // What was acknowledged is there, what was refused is not, and the chain is whole.
    let verified = scene.trail().verify().unwrap();
    assert_eq!(verified.records, fact("ACKNOWLEDGED "));
    // Control: a writer that does not look at errors loses records and nobody knows.
    assert!(fact("UNCHECKED LOST ") > 0);
}

fn fill_the_disk(path: &Path) {
    let audit = open(path);
    let mut acknowledged = 0;
    let refused = loop {
        match audit.record_durably(called(acknowledged)) {
            Ok(head) => acknowledged = head.seq,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.code(), "AUDIT_UNAVAILABLE");
    assert!(!audit.health().is_healthy());
    (0..1_000).for_each(|call| audit.record(called(call)));
    println!("ACKNOWLEDGED {acknowledged}");
    println!("REFUSED 1");
    println!("CALLS AFTER 1000");
    println!(
        "UNCHECKED LOST {}",
        lines_lost_unchecked(&path.with_extension("plain"))
    );
}

/// Appends to a plain log until it has certainly hit the limit, ignoring what the system says.
fn lines_lost_unchecked(path: &Path) -> usize {
    use std::io::Write as _;
    let mut log = std::fs::File::create(path).unwrap();
    let lines = 4_000;
    for line in 0..lines {
        drop(writeln!(
            log,
            "{{\"event\":\"tool_called\",\"call\":{line},\"outcome\":\"OK\"}}"
        ));
    }
    lines - std::fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn two_processes_append_thousands_of_records_to_one_chain() {
    if let Some(path) = std::env::var_os(CHILD) {
        let audit = open(Path::new(&path));
        (0..5_000).for_each(|call| audit.record(called(call)));
        return audit.flush().unwrap();
    }
    let scene = Scene::new();
    let name = "two_processes_append_thousands_of_records_to_one_chain";
    let children = [this_test(name, &scene, ""), this_test(name, &scene, "")];
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(scene.verified_head().seq, 10_000);
    let calls = scene.events().into_iter().filter_map(|event| event.call());
    assert_eq!(calls.sum::<u64>(), 2 * (0..5_000).sum::<u64>());
}

#[test]
fn everything_recorded_before_a_host_stops_is_in_the_trail() {
    let scene = Scene::new();
    let audit = scene.open();
    (0..50_000).for_each(|call| audit.record(called(call)));
    audit.record(AuditEvent::HostStopped);
    drop(audit);
    let verified = Trail::open(scene.path()).unwrap().verify().unwrap();
    assert_eq!(verified.records, 50_001);
}

fn open(path: &Path) -> JsonlAudit {
    JsonlAudit::open(path, Arc::new(SystemClock::new()), Redactor::new()).unwrap()
}

/// Reads what a child acknowledges, kills it after `count`, and reads what it said until then.
#[track_caller]
fn heads_until_killed(child: &mut Child, count: usize) -> Vec<Head> {
    let mut heads = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, head)) = line.split_once("HEAD ") {
            heads.push(head.parse().unwrap());
        }
        if heads.len() == count {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    heads
}

#[track_caller]
fn this_test(name: &str, scene: &Scene, setup: &str) -> Child {
    super::support::this_test(&format!("audit::crash::{name}"), scene, setup)
}
