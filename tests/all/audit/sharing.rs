//! One file, several writers; and files that are not what they were.

use std::fs;
use std::sync::Arc;
use std::thread;

use keyway_host::audit::{AuditEvent, AuditSink, JsonlAudit, Redactor};
use keyway_host::clock::SystemClock;

use super::support::{Scene, called};

#[test]
fn two_writers_of_one_file_make_one_chain() {
    let scene = Scene::new();
    let writers = [scene.open(), scene.open()];
    thread::scope(|scope| {
        for audit in &writers {
            scope.spawn(|| {
                for call in 0..2_000 {
                    audit.record(called(call));
                    if call % 100 == 0 {
                        audit.record_durably(called(call)).unwrap();
                    }
                }
                audit.flush().unwrap();
            });
        }
    });
    assert_eq!(scene.verified_head().seq, 4_040);
}

#[test]
fn many_waiters_each_get_their_own_place() {
    let scene = Scene::new();
    let audit = scene.open();
    let heads: Vec<_> = thread::scope(|scope| {
        let audit = &audit;
        let waiter = |call| scope.spawn(move || audit.record_durably(called(call)).unwrap());
        let waiting: Vec<_> = (0..32).map(waiter).collect();
        let heads = waiting.into_iter().map(|thread| thread.join().unwrap());
        heads.collect()
    });
    let mut places: Vec<_> = heads.iter().map(|head| head.seq).collect();
    places.sort_unstable();
    assert_eq!(places, (1..=32).collect::<Vec<_>>());
    for head in heads {
        scene.trail().verify_against(&head).unwrap();
    }
}

#[test]
fn a_reopened_trail_goes_on_where_it_ended() {
    let scene = Scene::with_calls(3);
    let audit = scene.open();
    assert_eq!(audit.record_durably(called(4)).unwrap().seq, 4);
    assert_eq!(scene.verified_head().seq, 4);
}

#[test]
fn s_i3_a_torn_line_is_kept_aside_and_said() {
    let scene = Scene::with_calls(3);
    let whole = scene.text();
    for cut in [1, 30, 200] {
        let torn = &whole[..whole.len() - cut];
        scene.overwrite(torn);
        drop(scene.open());
        let [
            ..,
            AuditEvent::TailCut {
                bytes,
                kept,
                digest,
            },
        ] = &scene.events()[..]
        else {
            panic!("{:?}", scene.events());
        };
        let aside = fs::read(scene.folder().join(&**kept)).unwrap();
        assert_eq!(aside.len() as u64, *bytes);
        assert_eq!(*digest, keyway_host::digest::Digest::of(&aside));
        assert!(torn.as_bytes().ends_with(&aside));
        assert_eq!(scene.verified_head().seq, 3);
    }
    assert!(scene.folder().join("audit.jsonl.torn-3").exists());
}

#[test]
fn s_i3_a_first_line_torn_begins_the_trail_again() {
    let scene = Scene::with_calls(1);
    scene.overwrite(&scene.text()[..20]);
    drop(scene.open());
    assert!(matches!(
        scene.events()[..],
        [AuditEvent::TailCut { bytes: 20, .. }]
    ));
}

#[test]
fn a_file_that_is_no_trail_is_left_alone() {
    let scene = Scene::new();
    scene.overwrite("dear diary\n");
    let clock = Arc::new(SystemClock::new());
    let error = JsonlAudit::open(scene.path(), clock, Redactor::new()).unwrap_err();
    assert_eq!(error.code(), "AUDIT_NOT_A_TRAIL");
    assert_eq!(
        error.to_string(),
        format!("{} is not an audit trail", scene.path().display())
    );
    assert_eq!(scene.text(), "dear diary\n");
}

#[test]
fn a_tail_cut_under_a_running_host_shows() {
    let scene = Scene::new();
    let audit = scene.open();
    (1..=10).for_each(|call| audit.record(called(call)));
    audit.flush().unwrap();
    let lines = scene.lines();
    scene.overwrite(format!("{}\n", lines[..5].join("\n")));
    audit.record_durably(called(11)).unwrap();
    assert!(scene.text().contains("were cut off the trail"));
    let error = scene.trail().verify().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the audit trail is broken at line 6: expected record 6, found 11"
    );
}

#[test]
fn privileged_acts_are_refused_while_the_file_is_gone_and_go_on_when_it_is_back() {
    let scene = Scene::with_calls(1);
    let audit = scene.open();
    let away = scene.folder().join("away.jsonl");
    fs::rename(scene.path(), &away).unwrap();
    let refused = audit.record_durably(called(2)).unwrap_err();
    assert_eq!(refused.code(), "AUDIT_UNAVAILABLE");
    assert_eq!(
        refused.to_string(),
        "the audit trail cannot be written: the file was moved or removed"
    );
    assert!(!audit.health().is_healthy());
    audit.record(called(3));
    fs::rename(&away, scene.path()).unwrap();
    assert_eq!(audit.record_durably(called(4)).unwrap().seq, 3);
    assert!(audit.health().is_healthy());
    assert_eq!(scene.events(), [called(1), called(3), called(4)]);
}
