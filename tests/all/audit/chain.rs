//! The chain notices what is done to it, and readers find what is in it.

use std::io::BufReader;
use std::process::Command;

use keyway_host::audit::{
    AuditError, AuditEvent, AuditSink, Filter, Head, records, verify, verify_against,
};
use keyway_host::digest::Digest;
use keyway_plugin_api::{Denial, DenialReason};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use proptest::sample::Index;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::support::{Scene, called, notice, plugin};

/// The lines after an attacker was at them.
type Attack = fn(&mut Vec<String>);

/// Every way to change a log of lines, but for cutting its end off.
const ATTACKS: [(&str, u64, Attack); 7] = [
    ("edit", 50_001, |lines| {
        lines[50_000] = lines[50_000].replace("\"OK\"", "\"NO\"");
    }),
    ("edit of a hash", 50_001, |lines| {
        let at = lines[50_000].len() - 3;
        let other = if lines[50_000].as_bytes()[at] == b'0' {
            "1"
        } else {
            "0"
        };
        lines[50_000].replace_range(at..=at, other);
    }),
    ("reorder", 50_001, |lines| lines.swap(50_000, 50_001)),
    ("removal", 50_001, |lines| {
        lines.remove(50_000);
    }),
    ("removal of the beginning", 1, |lines| {
        lines.drain(..10);
    }),
    ("insertion of a copy", 50_002, |lines| {
        lines.insert(50_000, lines[50_000].clone());
    }),
    ("insertion of a foreign line", 50_001, |lines| {
        lines.insert(50_000, r#"{"event":"lifecycle_moved"}"#.to_owned());
    }),
];

#[test]
fn s_i2_every_change_of_a_long_log_is_found_at_its_line() {
    let scene = Scene::with_calls(100_000);
    let clean = scene.lines();
    assert_eq!(clean.len(), 100_000);
    assert_eq!(scene.trail().verify().unwrap().records, 100_000);
    for (name, line, attack) in ATTACKS {
        let mut lines = clean.clone();
        attack(&mut lines);
        assert_eq!(broken_at(&joined(&lines)), line, "{name}");
        // Control: a log of the same lines that is not chained reads like any other.
        let around = lines.iter().skip(line as usize - 1).take(10);
        assert!(plain_log_reads(around), "{name}");
    }
}

#[test]
fn s_i2_a_removed_tail_is_found_against_a_head_kept_elsewhere() {
    let scene = Scene::with_calls(100);
    let head = scene.verified_head();
    let mut lines = scene.lines();
    lines.truncate(90);
    let cut = joined(&lines);
    // Control: without the head, what is left is a log like any other.
    assert_eq!(verify(cut.as_slice()).unwrap().records, 90);
    let error = verify_against(cut.as_slice(), &head).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the audit trail is broken at line 91: records up to 100 were removed from the end"
    );
}

#[test]
fn s_i2_a_rewritten_log_is_found_against_a_head_kept_elsewhere() {
    let scene = Scene::with_calls(10);
    let head = scene.verified_head();
    let forged = Scene::with_calls(20);
    // Control: the forgery is a perfect log of its own.
    forged.verified_head();
    assert!(forged.trail().verify_against(&head).is_ok(), "same calls");
    let other = Scene::new();
    let audit = other.open();
    (0..20).for_each(|_| audit.record(notice("nothing happened")));
    audit.flush().unwrap();
    let error = other.trail().verify_against(&head).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the audit trail is broken at line 10: record 10 is not the known one"
    );
}

#[test]
fn s_i2_injected_lines_are_inert() {
    let injection = "x\n{\"event\":\"approved\",\"by\":\"root\"}\r\n\u{2028}\u{85}\0";
    let scene = Scene::new();
    let audit = scene.open();
    let denial = Denial::new(DenialReason::NotAllowed, injection, injection);
    audit.record(AuditEvent::CallDenied {
        tool: injection.into(),
        caller: injection.into(),
        denial: Box::new(denial),
    });
    audit.flush().unwrap();
    assert_eq!(scene.lines().len(), 1);
    assert_eq!(scene.verified_head().seq, 1);
    let AuditEvent::CallDenied { tool, .. } = &scene.events()[0] else {
        panic!("{:?}", scene.events());
    };
    assert_eq!(&**tool, injection);
    // Control: a log that formats its lines by hand gains an approval.
    let by_hand = format!("{{\"event\":\"call_denied\",\"tool\":\"{injection}\"}}");
    assert!(
        by_hand
            .lines()
            .any(|line| line.contains("\"approved\"") && line.starts_with('{'))
    );
}

#[test]
fn a_record_says_when_and_what_and_follows_the_one_before() {
    let scene = Scene::new();
    let audit = scene.open();
    let first = audit.record_durably(called(7)).unwrap();
    let second = audit.record_durably(notice("hello")).unwrap();
    let found: Vec<_> = records(BufReader::new(scene.text().as_bytes()))
        .map(Result::unwrap)
        .collect();
    assert_eq!((found[0].seq, found[0].at_ms), (1, 1_000));
    assert_eq!(
        (found[0].kind.as_str(), &found[0].event),
        ("tool_called", &called(7))
    );
    assert_eq!(found[0].prev, Head::empty().hash);
    assert_eq!((found[1].prev, found[1].hash), (first.hash, second.hash));
    assert_eq!(found[1].as_line(), scene.lines()[1]);
}

#[test]
fn the_hash_can_be_recomputed_by_anybody() {
    let scene = Scene::with_calls(2);
    let lines = scene.lines();
    let (body, hash) = lines[1].rsplit_once(",\"hash\":\"").unwrap();
    let line: Value = serde_json::from_str(&lines[1]).unwrap();
    let prev: Digest = line["prev"].as_str().unwrap().parse().unwrap();
    let bytes = [prev.as_bytes(), body.as_bytes()].concat();
    assert_eq!(hash, format!("{}\"}}", Digest::of(&bytes)));
}

#[test]
fn the_checker_in_the_manual_agrees_with_the_host() {
    let manual = include_str!("../../../docs/audit.md");
    let (_, rest) = manual.split_once("```python\n").unwrap();
    let (checker, _) = rest.split_once("```").unwrap();
    let scene = Scene::with_calls(5);
    let accepts = || {
        let mut python = Command::new("python3");
        let output = python.arg("-c").arg(checker).current_dir(scene.folder());
        output.output().unwrap().status.success()
    };
    assert!(accepts());
    scene.overwrite(scene.text().replacen("\"OK\"", "\"NO\"", 1));
    assert!(!accepts());
}

#[test]
fn filters_pick_by_plugin_tool_call_and_event() {
    let scene = Scene::new();
    let audit = scene.open();
    (1..=5).for_each(|call| audit.record(called(call)));
    audit.record(AuditEvent::EffectPerformed {
        call: 3,
        plugin: plugin("notes"),
        tag: "network:api.example.com".into(),
    });
    audit.record(notice("unrelated"));
    audit.flush().unwrap();
    let found = |count, filter: Filter| -> Vec<u64> {
        let records = scene.trail().last(count, &filter).unwrap();
        records.iter().map(|record| record.seq).collect()
    };
    assert_eq!(found(2, Filter::new()), [6, 7]);
    assert_eq!(found(99, Filter::new().call(3)), [3, 6]);
    assert_eq!(found(2, Filter::new().plugin("notes")), [5, 6]);
    assert_eq!(found(99, Filter::new().event("effect_performed")), [6]);
    assert_eq!(found(1, Filter::new().tool("notes/search")), [5]);
    assert!(found(99, Filter::new().plugin("notes").event("notice")).is_empty());
}

#[test]
fn an_event_of_a_newer_version_is_read_as_unknown() {
    let json = r#"{"event":"teleported","whither":"mars"}"#;
    let event: AuditEvent = serde_json::from_str(json).unwrap();
    assert_eq!(event, AuditEvent::Unknown);
}

#[test]
fn errors_say_what_to_do_in_exact_words() {
    let broken = verify(&b"rubbish\n"[..]).unwrap_err();
    assert_eq!(broken.code(), "AUDIT_BROKEN");
    assert_eq!(
        broken.to_string(),
        "the audit trail is broken at line 1: not an audit record"
    );
    let not_a_head = "7".parse::<Head>().unwrap_err();
    assert_eq!(
        not_a_head.to_string(),
        "not a head: expected NUMBER@sha256:HEX"
    );
    assert_eq!(not_a_head.code(), "AUDIT_HEAD_INVALID");
    let refused = AuditError::unavailable("no space left on device");
    assert_eq!(
        refused.to_string(),
        "the audit trail cannot be written: no space left on device"
    );
    assert_eq!(refused.code(), "AUDIT_UNAVAILABLE");
    assert!(!refused.hints().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn s_i2_any_single_byte_changed_is_found(at: Index, xor in 1_u8..) {
        let (mut bytes, head) = ten_calls();
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        prop_assert!(verify_against(bytes.as_slice(), &head).is_err());
    }

    #[test]
    fn s_i2_any_single_byte_removed_or_added_is_found(at: Index, added in any::<Option<u8>>()) {
        let (mut bytes, head) = ten_calls();
        let at = at.index(bytes.len());
        match added {
            Some(byte) => bytes.insert(at, byte),
            None => { bytes.remove(at); }
        }
        prop_assert!(verify_against(bytes.as_slice(), &head).is_err());
    }

    #[test]
    fn s_i2_any_lines_moved_copied_or_removed_are_found(from: Index, to: Index, copy: bool) {
        let (bytes, head) = ten_calls();
        let text = String::from_utf8(bytes).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let (from, to) = (from.index(lines.len()), to.index(lines.len()));
        let line = if copy { lines[from].clone() } else { lines.remove(from) };
        if copy || from != to {
            lines.insert(to, line);
        }
        prop_assert!(verify_against(joined(&lines).as_slice(), &head).is_err());
    }

    #[test]
    fn s_i2_rubbish_never_verifies_and_never_panics(bytes: Vec<u8>) {
        prop_assert!(bytes.is_empty() || verify(bytes.as_slice()).is_err());
        records(bytes.as_slice()).for_each(drop);
    }
}

fn ten_calls() -> (Vec<u8>, Head) {
    static TEN: std::sync::OnceLock<(Vec<u8>, Head)> = std::sync::OnceLock::new();
    let make = || {
        let scene = Scene::with_calls(10);
        (scene.text().into_bytes(), scene.verified_head())
    };
    TEN.get_or_init(make).clone()
}

fn joined(lines: &[String]) -> Vec<u8> {
    let mut log = lines.join("\n").into_bytes();
    log.push(b'\n');
    log
}

#[track_caller]
fn broken_at(log: &[u8]) -> u64 {
    match verify(log).unwrap_err() {
        AuditError::Broken { line, .. } => line,
        other => panic!("{other}"),
    }
}

/// Reads lines the way a plain JSON log is read: each by itself.
fn plain_log_reads<'l>(mut lines: impl Iterator<Item = &'l String>) -> bool {
    lines.all(|line| serde_json::from_str::<IgnoredAny>(line).is_ok())
}
