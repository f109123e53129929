//! The test host: what it grants, records, refuses and asserts.

use std::fs::{self, File};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_host::Outcome;
use keyway_host::approval::{ApprovalSubject, Decision};
use keyway_host::audit::AuditEvent;
use keyway_host::clock::Clock;
use keyway_plugin_api::{
    Arguments, CallCx, CallInfo, DenialReason, Manifest, Plugin, PluginId, Register, ToolError,
    ToolErrorKind,
};
use keyway_test_support::{
    Probe, RecordedEffects, ScriptedApprover, TestHost, assert_denied, assert_descriptors_match,
    assert_effect_denied, check_manifest, poll_at_most,
};
use serde_json::json;

use super::plugins::{NOTES, Notes};

#[track_caller]
fn panics_with(text: &str, act: impl FnOnce()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(act)) else {
        panic!("it did not panic")
    };
    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains(text), "expected {text:?} in {said:?}");
}

#[tokio::test]
async fn a_grant_lets_a_call_pass_and_its_effects_are_written_down() {
    let host = TestHost::with(NOTES).await;
    let keep = json!({"text": "milk"});
    let refused = host.call("notes/keep", &keep).await;
    assert_denied(
        &refused,
        DenialReason::NotGranted,
        "filesystem:write:./notes",
    );
    host.grant("filesystem:write:./notes").await;
    let refused = host.call("notes/keep", &keep).await;
    assert_denied(&refused, DenialReason::NotGranted, "state:64");
    host.grant("state:64").await;
    host.call("notes/keep", &keep).await.unwrap();
    assert_eq!(
        host.effects().file("notes/kept.md").as_deref(),
        Some(&b"milk"[..])
    );
    let plugin = PluginId::parse("notes").unwrap();
    assert_eq!(
        host.effects().state(&plugin, "kept").as_deref(),
        Some(&b"yes"[..])
    );
    assert_eq!(host.effects().take().len(), 2);
    host.revoke_grant("state:64").await;
    let refused = host.call("notes/keep", &keep).await;
    assert_denied(&refused, DenialReason::NotGranted, "state:64");
}

#[tokio::test]
async fn a_grant_ends_when_the_clock_says_so() {
    let host = TestHost::with(Probe).await;
    let end = host.clock().now_ms() + 1_000;
    host.grant_with("secret:PROBE_TOKEN", |mut grant| {
        grant.expires_at_ms = Some(end);
        grant
    })
    .await;
    host.effects().put_secret("PROBE_TOKEN", "hunter2");
    assert_eq!(
        host.call("probe/reveal", json!({})).await.unwrap(),
        json!("7")
    );
    host.clock().advance(1_000);
    let late = host.call("probe/reveal", json!({})).await;
    assert_denied(&late, DenialReason::Expired, "secret:PROBE_TOKEN");
}

#[tokio::test]
async fn an_effect_that_no_tool_declared_is_denied_and_found_in_the_trail() {
    let host = TestHost::with(Probe).await;
    let request = json!({"op": "fs_read", "path": "in/file"}).to_string();
    let refused = host.call("probe/ask", json!({ "request": request })).await;
    assert_denied(&refused, DenialReason::NotGranted, "filesystem:read:./in");
    assert_effect_denied(&host, DenialReason::NotGranted, "filesystem:read:./in");
    assert!(host.effects().all().is_empty());
}

#[tokio::test]
async fn the_operators_script_decides_in_order() {
    let no = Decision::Deny {
        reason: "not on a Friday".into(),
    };
    let approver = ScriptedApprover::for_calls(Decision::Later);
    let host = TestHost::builder()
        .approver(approver)
        .plugin(NOTES)
        .start()
        .await;
    host.approver().push(no);
    let refused = host.outcome("notes/wipe", json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("not on a Friday"), "{refused}");
    let waits = host.outcome("notes/wipe", json!({})).await.unwrap();
    assert!(matches!(waits, Outcome::NeedsApproval(_)), "{waits:?}");
    let subjects: Vec<_> = host
        .approver()
        .requests()
        .into_iter()
        .map(|r| r.subject)
        .collect();
    assert!(
        matches!(
            &subjects[..],
            [
                ApprovalSubject::Plugin { .. },
                ApprovalSubject::Call { .. },
                ApprovalSubject::Call { .. }
            ]
        ),
        "{subjects:#?}"
    );
}

#[tokio::test]
async fn a_host_on_the_same_store_is_the_old_one_after_a_restart() {
    let approver = ScriptedApprover::approving().granting(Probe::TAGS);
    let first = TestHost::builder()
        .approver(approver)
        .plugin(Probe)
        .start()
        .await;
    let store = first.store();
    drop(first);
    let again = TestHost::builder()
        .store(store)
        .approver(ScriptedApprover::later())
        .plugin(Probe)
        .start()
        .await;
    assert!(again.report().plugin("probe").unwrap().is_running());
    again.call("probe/remember", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_call_given_up_anywhere_leaves_one_event() {
    let host = TestHost::with(NOTES).await;
    host.grant("filesystem:write:./notes").await;
    host.grant("state:64").await;
    let kept = host
        .give_up_everywhere("notes/keep", &json!({"text": "x"}))
        .await;
    assert!(kept.given_up >= 1, "{kept:?}");
    // The destructive one also waits for its intent to be written.
    host.give_up_everywhere("notes/wipe", &json!({})).await;
}

#[tokio::test]
async fn poll_at_most_stops_where_it_says() {
    let three = || async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        "done"
    };
    for (polls, ends) in [
        (0, None),
        (1, None),
        (3, None),
        (4, Some("done")),
        (9, Some("done")),
    ] {
        assert_eq!(poll_at_most(polls, three()).await, ends, "{polls}");
    }
}

#[tokio::test]
async fn the_world_answers_like_a_world() {
    let world = Arc::new(RecordedEffects::new());
    world.put_file("a/b.md", "one");
    let host = TestHost::builder()
        .effects(Arc::clone(&world))
        .approver(ScriptedApprover::approving().granting(Probe::TAGS))
        .plugin(Probe)
        .start()
        .await;
    world.put_file("in/file", "two");
    assert_eq!(
        host.call("probe/read", json!({"path": "in/file"}))
            .await
            .unwrap(),
        json!("two")
    );
    let ask = |request: serde_json::Value| json!({"request": request.to_string()});
    for (request, answer) in [
        (json!({"op": "fs_list", "path": "in"}), r#"Names(["file"])"#),
        (
            json!({"op": "fs_stat", "path": "in"}),
            "Stat(FileStat { is_directory: true, bytes: 0 })",
        ),
        (
            json!({"op": "fs_stat", "path": "in/file"}),
            "Stat(FileStat { is_directory: false, bytes: 3 })",
        ),
        (json!({"op": "state_get", "key": "k"}), "Bytes(None)"),
        (
            json!({"op": "state_cas", "key": "k", "expected": null, "value": [49]}),
            "Swapped(true)",
        ),
        (
            json!({"op": "state_cas", "key": "k", "expected": null, "value": [50]}),
            "Swapped(false)",
        ),
        (json!({"op": "state_list", "prefix": ""}), r#"Names(["k"])"#),
    ] {
        let said = host.call("probe/ask", ask(request.clone())).await.unwrap();
        assert_eq!(said, json!(answer), "{request}");
    }
    let full = json!({"op": "state_put", "key": "k", "value": vec![0; 5000]});
    let error = host.call("probe/ask", ask(full)).await.unwrap_err();
    assert_eq!(error.code(), "CONFLICT");
    world.fail_next(ToolError::new(
        ToolErrorKind::Unavailable,
        "the disk is away",
    ));
    let error = host
        .call("probe/read", json!({"path": "in/file"}))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the disk is away");
}

/// The control of every test of the gate: the same tool without one does what it likes.
#[tokio::test]
async fn without_a_gate_every_effect_is_performed() {
    let world = Arc::new(RecordedEffects::new());
    world.put_secret("PROBE_TOKEN", "hunter2");
    let text = Probe.manifest();
    let (manifest, _) = Manifest::parse(text.as_bytes()).unwrap();
    let settings = json!({});
    let mut ctx = Register::open(&manifest, &settings);
    Probe.register(&mut ctx).unwrap();
    let tools = ctx.finish().tools;
    let reveal = tools
        .iter()
        .find(|t| t.descriptor().name.as_str() == "reveal")
        .unwrap();
    let info = CallInfo::new(
        1,
        manifest.name().clone(),
        "probe/reveal".into(),
        "*".into(),
    );
    let (cx, _guard) = CallCx::begin(info, Arc::<RecordedEffects>::clone(&world));
    let output = reveal.call(Arguments::new("{}"), &cx).await.unwrap();
    assert_eq!(output.to_value(), json!("7"));
}

#[test]
fn a_manifest_that_says_what_the_code_does_passes() {
    check_manifest(&NOTES);
    check_manifest(&Probe);
}

#[test]
fn a_manifest_that_differs_from_the_code_is_told_where() {
    let drifted = |change: fn(&mut Notes)| {
        let mut notes = NOTES;
        change(&mut notes);
        notes
    };
    for (notes, says) in [
        (
            drifted(|n| n.wipes = false),
            "tool `wipe` is declared and not registered",
        ),
        (
            drifted(|n| n.declared = r#"["keep"]"#),
            "tool `wipe` is not declared: add \"wipe\"",
        ),
        (
            drifted(|n| n.asks = ""),
            "tool `keep` needs state, and the manifest does not ask",
        ),
        (drifted(|n| n.asks = "1"), "capabilities"),
    ] {
        panics_with(says, || check_manifest(&notes));
    }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kit/descriptors.json")
}

#[test]
fn descriptors_are_those_in_the_file() {
    assert_descriptors_match(&NOTES, golden());
}

#[test]
fn descriptors_that_differ_from_their_file_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("descriptors.json");
    panics_with("UPDATE_GOLDEN=1", || {
        assert_descriptors_match(&NOTES, &path);
    });
    let good = fs::read_to_string(golden()).unwrap();
    let other = good.replace("Keeps a text", "Sends a text");
    File::create(&path)
        .and_then(|mut file| file.write_all(other.as_bytes()))
        .unwrap();
    panics_with("--- expected", || {
        assert_descriptors_match(&NOTES, &path);
    });
}

#[tokio::test]
async fn assertions_fail_when_nothing_was_denied() {
    let host = TestHost::with(Probe).await;
    let fine = host.call("probe/pong", json!({})).await;
    panics_with("expected a denial, the call gave", || {
        assert_denied(&fine, DenialReason::NotGranted, "state");
    });
    let other = host.call("probe/remember", json!({})).await;
    panics_with("NotGranted", || {
        assert_denied(&other, DenialReason::Expired, "state:4096")
    });
    panics_with("the trail has", || {
        assert_effect_denied(&host, DenialReason::NotGranted, "secret:PROBE_TOKEN");
    });
    assert!(
        host.audit_events()
            .iter()
            .any(|e| matches!(e, AuditEvent::HostStarted { .. }))
    );
}
