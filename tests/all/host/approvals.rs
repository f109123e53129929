//! Calls that an operator decides: once, for a session, with other arguments, later, never.

use keyway_host::approval::{ApprovalId, ApprovalSubject, Decision};
use keyway_host::audit::AuditEvent;
use keyway_host::catalog::CallAnswer;
use keyway_host::clock::Clock;
use keyway_host::store::MemoryStore;
use keyway_host::{CallError, Outcome};
use keyway_plugin_api::{DenialReason, Effect, HookAuthority, HookPoint};
use keyway_test_support::{ScriptedApprover, TestHost};
use serde_json::{Value, json};

use super::guest::{Guest, guest};
use super::hooks::Says;
use super::operator;

fn wiping() -> Guest {
    guest("notes").effect_tool("wipe", Effect::Destructive)
}

async fn host(decision: Decision) -> (TestHost, Guest) {
    let notes = wiping();
    let approver = ScriptedApprover::for_calls(decision);
    let host = TestHost::builder()
        .approver(approver)
        .plugin(notes.clone())
        .start()
        .await;
    (host, notes)
}

async fn wipe(host: &TestHost, arguments: Value) -> Result<Outcome, CallError> {
    host.outcome("notes/wipe", arguments).await
}

/// Asserts that a call waits, and gives the id under which it does.
#[track_caller]
fn waits(outcome: Result<Outcome, CallError>) -> ApprovalId {
    match outcome {
        Ok(Outcome::NeedsApproval(request)) => request.id,
        other => panic!("expected a call that waits, it gave {other:?}"),
    }
}

#[track_caller]
fn done(outcome: Result<Outcome, CallError>) -> Value {
    match outcome {
        Ok(Outcome::Done(output)) => output.to_value(),
        other => panic!("expected a result, it gave {other:?}"),
    }
}

#[tokio::test]
async fn a_call_that_waits_passes_once_after_it_was_allowed() {
    let (host, notes) = host(Decision::Later).await;
    let asked = json!({"what": "drafts"});
    let id = waits(wipe(&host, asked.clone()).await);
    assert_eq!(
        waits(wipe(&host, asked.clone()).await),
        id,
        "the same question waits once"
    );
    assert_eq!(notes.calls("wipe"), 0);
    host.host()
        .resolve(&id, CallAnswer::once(operator("ada")))
        .await
        .unwrap();
    waits(wipe(&host, json!({"what": "everything"})).await);
    assert_eq!(notes.calls("wipe"), 0, "other arguments were not allowed");
    assert_eq!(
        done(wipe(&host, asked.clone()).await),
        json!(r#"notes wipe {"what":"drafts"}"#)
    );
    waits(wipe(&host, asked).await);
    assert_eq!(notes.calls("wipe"), 1);
}

#[tokio::test]
async fn equal_arguments_in_another_order_are_the_same_call() {
    let (host, notes) = host(Decision::Later).await;
    let id = waits(host.outcome("notes/wipe", r#"{"a":1,"b":2}"#).await);
    host.host()
        .resolve(&id, CallAnswer::once(operator("ada")))
        .await
        .unwrap();
    done(host.outcome("notes/wipe", r#"{ "b": 2, "a": 1 }"#).await);
    assert_eq!(notes.calls("wipe"), 1);
}

#[tokio::test]
async fn an_answer_survives_a_restart_and_is_for_one_caller() {
    let store = MemoryStore::new();
    let started = |agent: &'static str| {
        let builder = TestHost::builder().store(store.clone()).agent(agent);
        let approver = ScriptedApprover::for_calls(Decision::Later);
        builder.approver(approver).plugin(wiping()).start()
    };
    let first = started("acme/support/triage").await;
    let id = waits(wipe(&first, json!({})).await);
    drop(first);
    let second = started("acme/support/triage").await;
    second
        .host()
        .resolve(&id, CallAnswer::once(operator("ada")))
        .await
        .unwrap();
    drop(second);
    let stranger = started("acme/support/other").await;
    waits(wipe(&stranger, json!({})).await);
    drop(stranger);
    let third = started("acme/support/triage").await;
    done(wipe(&third, json!({})).await);
    waits(wipe(&third, json!({})).await);
}

#[tokio::test]
async fn a_no_is_told_to_whoever_asks_again() {
    let (host, notes) = host(Decision::Later).await;
    let id = waits(wipe(&host, json!({})).await);
    let no = CallAnswer::no(operator("ada"), "keep the drafts");
    host.host().resolve(&id, no).await.unwrap();
    let error = wipe(&host, json!({})).await.unwrap_err();
    assert_eq!(error.denial().unwrap().reason, DenialReason::Forbidden);
    assert!(error.to_string().contains("keep the drafts"), "{error}");
    assert_eq!(notes.calls("wipe"), 0);
}

#[tokio::test]
async fn a_standing_yes_holds_for_other_arguments_until_it_ends() {
    let (host, notes) = host(Decision::Later).await;
    let id = waits(wipe(&host, json!({"a": 1})).await);
    let end = host.clock().now_ms() + 1_000;
    let yes = CallAnswer::standing(operator("ada"), Some(end));
    host.host().resolve(&id, yes).await.unwrap();
    for arguments in [json!({"a": 1}), json!({"a": 2}), json!({})] {
        done(wipe(&host, arguments).await);
    }
    host.clock().advance(1_000);
    waits(wipe(&host, json!({"a": 3})).await);
    assert_eq!(notes.calls("wipe"), 3);
}

#[tokio::test]
async fn a_yes_for_the_session_is_asked_for_once() {
    let (host, notes) = host(Decision::Session).await;
    for arguments in [json!({}), json!({"a": 1}), json!({})] {
        done(wipe(&host, arguments).await);
    }
    assert_eq!(notes.calls("wipe"), 3);
    let calls = host.approver().requests().into_iter();
    let calls = calls.filter(|r| matches!(r.subject, ApprovalSubject::Call { .. }));
    assert_eq!(calls.count(), 1);
    let store = host.store();
    drop(host);
    let approver = ScriptedApprover::for_calls(Decision::Later);
    let next = TestHost::builder()
        .store(store)
        .approver(approver)
        .plugin(wiping());
    waits(wipe(&next.start().await, json!({})).await);
}

#[tokio::test]
async fn edited_arguments_are_what_runs() {
    let arguments = json!({"what": "drafts"});
    let (host, _) = host(Decision::Edit { arguments }).await;
    let answer = done(wipe(&host, json!({"what": "everything"})).await);
    assert_eq!(answer, json!(r#"notes wipe {"what":"drafts"}"#));
}

#[tokio::test]
async fn edited_arguments_are_validated_like_any_others() {
    let (host, notes) = host(Decision::Edit {
        arguments: json!([1]),
    })
    .await;
    let error = wipe(&host, json!({})).await.unwrap_err();
    assert_eq!(error.code(), "INVALID_ARGUMENTS");
    assert_eq!(notes.calls("wipe"), 0);
}

#[tokio::test]
async fn an_answer_of_the_operator_stands_in_for_the_tool() {
    let output = json!({"wiped": 0});
    let (host, notes) = host(Decision::Answer {
        output: output.clone(),
    })
    .await;
    assert_eq!(done(wipe(&host, json!({})).await), output);
    assert_eq!(notes.calls("wipe"), 0);
}

#[tokio::test]
async fn a_denied_call_says_why_and_leaves_one_denial() {
    let (host, notes) = host(Decision::Deny {
        reason: "not on a Friday".into(),
    })
    .await;
    drop(host.audit().take());
    let error = wipe(&host, json!({})).await.unwrap_err();
    assert!(error.to_string().contains("not on a Friday"), "{error}");
    assert_eq!(notes.calls("wipe"), 0);
    let events = host.audit_events();
    let [asked, decided, denied] = &events[..] else {
        panic!("{events:#?}")
    };
    assert!(
        matches!(asked, AuditEvent::ApprovalRequested { .. }),
        "{asked:?}"
    );
    assert!(
        matches!(decided, AuditEvent::ApprovalDecided { .. }),
        "{decided:?}"
    );
    assert!(
        matches!(denied, AuditEvent::CallDenied { .. }),
        "{denied:?}"
    );
}

#[tokio::test]
async fn a_destructive_call_is_written_down_before_it_runs() {
    let (host, notes) = host(Decision::approve()).await;
    drop(host.audit().take());
    done(wipe(&host, json!({})).await);
    let events = host.audit_events();
    let intended = events
        .iter()
        .position(|e| matches!(e, AuditEvent::CallIntended { .. }));
    let called = events
        .iter()
        .position(|e| matches!(e, AuditEvent::ToolCalled { .. }));
    assert!(intended.unwrap() < called.unwrap(), "{events:#?}");
    host.audit().fail("the disk is full");
    let error = wipe(&host, json!({})).await.unwrap_err();
    assert_eq!(error.code(), "AUDIT_UNAVAILABLE");
    assert_eq!(notes.calls("wipe"), 1);
}

/// What an operator approves is what runs: a hook of another plugin changes arguments before the
/// operator is asked, and never after.
#[tokio::test]
async fn l14_a_hook_cannot_change_arguments_that_an_operator_approved() {
    let rewritten = json!({"what": "everything"});
    let evil = Says::Rewrite(rewritten.clone());
    let notes = wiping();
    let host = TestHost::builder()
        .plugin(notes.clone())
        .plugin(guest("evil").hook(HookPoint::PreToolCall, HookAuthority::Transform, evil))
        .start()
        .await;
    let answer = done(wipe(&host, json!({"what": "drafts"})).await);
    let requests = host.approver().requests();
    let shown = requests.iter().find_map(|request| match &request.subject {
        ApprovalSubject::Call { arguments, .. } => Some(arguments.clone()),
        _ => None,
    });
    assert_eq!(shown, Some(rewritten));
    assert_eq!(answer, json!(r#"notes wipe {"what":"everything"}"#));
}

#[tokio::test]
async fn a_gate_hook_blocks_before_an_operator_is_bothered() {
    let notes = wiping();
    let host = TestHost::builder()
        .plugin(notes)
        .plugin(guest("guard").hook(HookPoint::PreToolCall, HookAuthority::Gate, Says::Block))
        .start()
        .await;
    let error = wipe(&host, json!({})).await.unwrap_err();
    assert_eq!(error.code(), "HOOK_BLOCKED");
    let requests = host.approver().requests();
    assert!(
        requests
            .iter()
            .all(|r| matches!(r.subject, ApprovalSubject::Plugin { .. }))
    );
}

/// Kept arguments are for people; what an operator says yes to is the call itself, by its digest.
mod kept_arguments {
    use super::*;
    use keyway_host::audit::Redactor;
    use keyway_host::store::FileStore;
    use keyway_plugin_api::SecretValue;
    use std::fs;
    use std::path::Path;

    const SECRET: &str = "correct-horse-battery-staple";

    async fn host_in(folder: &Path, redactor: Redactor) -> (TestHost, Guest) {
        let notes = wiping();
        let host = TestHost::builder()
            .state_dir(folder)
            .configure(|host| host.redactor(redactor))
            .approver(ScriptedApprover::for_calls(Decision::Later))
            .plugin(notes.clone())
            .start()
            .await;
        (host, notes)
    }

    fn informed() -> Redactor {
        let redactor = Redactor::new();
        assert!(redactor.learn(&SecretValue::new(SECRET)));
        redactor
    }

    fn kept(folder: &Path) -> String {
        let store = FileStore::open(folder).unwrap();
        fs::read_to_string(store.path()).unwrap()
    }

    /// Arguments with the secret where it can be: a value, a key, escaped, encoded, and across the
    /// place where what is kept is cut.
    fn hiding_places() -> Vec<Value> {
        vec![
            json!({ "password": SECRET }),
            json!({ SECRET: 1 }),
            json!({ "deep": [{ "url": format!("https://a.example/?key={SECRET}&x=1") }] }),
            json!({ "json": json!({ "inner": SECRET }).to_string() }),
            json!({ "a": "x".repeat(365), "b": SECRET }),
            json!({ "a": "x".repeat(375), "b": SECRET }),
        ]
    }

    fn gives_away(text: &str) -> bool {
        text.contains(&SECRET[..12])
    }

    #[tokio::test]
    async fn s_i1_the_arguments_of_a_waiting_call_are_kept_without_secrets() {
        for arguments in hiding_places() {
            let folder = tempfile::tempdir().unwrap();
            let (host, _) = host_in(folder.path(), informed()).await;
            waits(wipe(&host, arguments.clone()).await);
            let kept = kept(folder.path());
            assert!(!gives_away(&kept), "{arguments}: {kept}");
            assert!(kept.contains("notes/wipe"), "{kept}");
        }
    }

    /// The control: a redactor that was told nothing finds nothing.
    #[tokio::test]
    async fn a_secret_that_the_host_never_handed_out_is_kept() {
        for arguments in hiding_places() {
            let folder = tempfile::tempdir().unwrap();
            let (host, _) = host_in(folder.path(), Redactor::new()).await;
            waits(wipe(&host, arguments.clone()).await);
            assert!(gives_away(&kept(folder.path())), "{arguments}");
        }
    }

    #[tokio::test]
    async fn s_i1_a_yes_to_redacted_arguments_is_for_the_call_that_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let (host, notes) = host_in(folder.path(), informed()).await;
        let asked = json!({ "password": SECRET });
        let id = waits(wipe(&host, asked.clone()).await);
        let shown = host.catalog().keyway.call_approvals[id.as_str()]
            .question
            .preview
            .clone();
        assert_eq!(shown, r#"{"password":"[redacted]"}"#);
        host.host()
            .resolve(&id, CallAnswer::once(operator("ada")))
            .await
            .unwrap();
        for other in [
            json!({ "password": "[redacted]" }),
            json!({ "password": "guess" }),
        ] {
            waits(wipe(&host, other).await);
        }
        assert_eq!(notes.calls("wipe"), 0, "what was shown is not what runs");
        let ran = done(wipe(&host, asked).await);
        assert!(ran.to_string().contains(SECRET), "{ran}");
        assert_eq!(notes.calls("wipe"), 1);
    }

    /// The same call has one id, whatever was known of its secrets each time it was made.
    #[tokio::test]
    async fn a_call_keeps_its_id_when_its_secret_becomes_known() {
        let folder = tempfile::tempdir().unwrap();
        let redactor = Redactor::new();
        let (host, _) = host_in(folder.path(), redactor.clone()).await;
        let asked = json!({ "password": SECRET });
        let id = waits(wipe(&host, asked.clone()).await);
        redactor.learn(&SecretValue::new(SECRET));
        assert_eq!(waits(wipe(&host, asked).await), id);
    }
}
