//! Hooks around calls: what each authority can do, and what happens when one misbehaves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::CallError;
use keyway_host::audit::AuditEvent;
use keyway_host::limits::Limits;
use keyway_plugin_api::{Hook, HookAuthority, HookEvent, HookPoint, HookVerdict, async_trait};
use keyway_test_support::TestHost;
use serde_json::{Value, json};

use super::guest::{Guest, guest};

/// A hook that always says the same, or nothing at all.
#[derive(Clone)]
pub(super) enum Says {
    Block,
    Continue,
    Hangs,
    Panics,
    Rewrite(Value),
}

#[async_trait]
impl Hook for Says {
    async fn run(&self, _event: &HookEvent) -> HookVerdict {
        match self {
            Self::Block => HookVerdict::Block {
                reason: "not today".into(),
            },
            Self::Continue => HookVerdict::Continue,
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("the hook fell over"),
            Self::Rewrite(payload) => HookVerdict::Rewrite(payload.clone()),
        }
    }
}

const PRE: HookPoint = HookPoint::PreToolCall;
const POST: HookPoint = HookPoint::PostToolCall;

struct Stage {
    host: TestHost,
    notes: Guest,
}

/// A plugin with the tool `notes/list`, and another with a hook.
async fn stage(point: HookPoint, authority: HookAuthority, says: Says) -> Stage {
    let notes = guest("notes").tool("list");
    let hooking = guest("hooking").hook(point, authority, says);
    let limits = Limits {
        hook: Duration::from_millis(50),
        ..Limits::default()
    };
    let host = TestHost::builder()
        .plugin(notes.clone())
        .plugin(hooking)
        .configure(|host| host.limits(limits))
        .start()
        .await;
    drop(host.audit().take());
    Stage { host, notes }
}

impl Stage {
    async fn call(&self) -> Result<Value, CallError> {
        self.host.call("notes/list", json!({})).await
    }
}

#[tokio::test]
async fn r05_a_gate_hook_that_denies_hangs_or_panics_blocks_the_call() {
    for (says, reason) in [
        (Says::Block, "not today"),
        (Says::Hangs, "took longer than 50 ms"),
        (Says::Panics, "panicked: the hook fell over"),
    ] {
        let stage = stage(PRE, HookAuthority::Gate, says).await;
        let error = stage.call().await.unwrap_err();
        assert_eq!(error.code(), "HOOK_BLOCKED");
        assert_eq!(
            error.to_string(),
            format!("hook of hooking blocked: {reason}")
        );
        assert_eq!(stage.notes.calls("list"), 0, "{reason}");
        let events = stage.host.audit_events();
        let [blocked, called] = &events[..] else {
            panic!("{events:#?}")
        };
        let AuditEvent::HookBlocked {
            call: Some(of),
            plugin,
            reason: recorded,
            ..
        } = blocked
        else {
            panic!("{blocked:?}");
        };
        assert_eq!((plugin.as_str(), &**recorded), ("hooking", reason));
        let AuditEvent::ToolCalled { call, outcome, .. } = called else {
            panic!("{called:?}")
        };
        assert_eq!((call, &**outcome), (of, "HOOK_BLOCKED"));
    }
}

/// The control: a gate hook that lets pass costs nothing.
#[tokio::test]
async fn r05_control_a_gate_hook_that_continues_lets_the_call_pass() {
    let stage = stage(PRE, HookAuthority::Gate, Says::Continue).await;
    assert_eq!(stage.call().await.unwrap(), json!("notes list"));
}

#[tokio::test]
async fn r05_observers_and_transformers_that_misbehave_change_nothing() {
    for authority in [HookAuthority::Observe, HookAuthority::Transform] {
        for (says, failure) in [
            (Says::Hangs, Some("took longer than 50 ms")),
            (Says::Panics, Some("panicked: the hook fell over")),
            (Says::Block, Some("answered beyond its authority")),
        ] {
            let stage = stage(PRE, authority, says).await;
            assert_eq!(
                stage.call().await.unwrap(),
                json!("notes list"),
                "{authority:?} {failure:?}"
            );
            let events = stage.host.audit_events();
            let recorded = events.iter().find_map(|event| match event {
                AuditEvent::HookFailed { reason, .. } => Some(&**reason),
                _ => None,
            });
            assert_eq!(recorded, failure, "{authority:?}: {events:#?}");
        }
    }
}

#[tokio::test]
async fn r05_an_observer_that_keeps_failing_is_left_out_and_a_gate_never() {
    let stage = stage(PRE, HookAuthority::Observe, Says::Panics).await;
    for _ in 0..8 {
        stage.call().await.unwrap();
    }
    let failures = stage.host.audit_events().into_iter();
    let failures = failures.filter(|event| matches!(event, AuditEvent::HookFailed { .. }));
    assert_eq!(failures.count(), 5);

    let stage = self::stage(PRE, HookAuthority::Gate, Says::Panics).await;
    for _ in 0..8 {
        stage.call().await.unwrap_err();
    }
}

#[tokio::test]
async fn r05_a_rewrite_reaches_the_tool_or_the_caller_and_is_recorded() {
    let arguments = Says::Rewrite(json!({"limit": 1}));
    let result = Says::Rewrite(json!("something else"));
    for (point, authority, says, answer, is_recorded) in [
        (
            PRE,
            HookAuthority::Transform,
            &arguments,
            json!(r#"notes list {"limit":1}"#),
            true,
        ),
        (
            PRE,
            HookAuthority::Gate,
            &arguments,
            json!(r#"notes list {"limit":1}"#),
            true,
        ),
        (
            PRE,
            HookAuthority::Observe,
            &arguments,
            json!("notes list"),
            false,
        ),
        (
            POST,
            HookAuthority::Transform,
            &result,
            json!("something else"),
            true,
        ),
        (
            POST,
            HookAuthority::Observe,
            &result,
            json!("notes list"),
            false,
        ),
    ] {
        let stage = stage(point, authority, says.clone()).await;
        assert_eq!(stage.call().await.unwrap(), answer, "{point} {authority:?}");
        let events = stage.host.audit_events();
        let rewrote = events.iter().any(|event| {
            matches!(
                event,
                AuditEvent::HookRewrote { plugin, .. } if plugin.as_str() == "hooking"
            )
        });
        assert_eq!(rewrote, is_recorded, "{point} {authority:?}");
    }
}

#[tokio::test]
async fn r05_rewritten_arguments_are_validated_like_any_others() {
    let stage = stage(PRE, HookAuthority::Transform, Says::Rewrite(json!([1]))).await;
    let error = stage.call().await.unwrap_err();
    assert_eq!(error.code(), "INVALID_ARGUMENTS");
    assert_eq!(stage.notes.calls("list"), 0);
}

/// Writes its name down and lets pass.
struct Noting(&'static str, Arc<Mutex<Vec<&'static str>>>);

#[async_trait]
impl Hook for Noting {
    async fn run(&self, _event: &HookEvent) -> HookVerdict {
        self.1.lock().unwrap().push(self.0);
        HookVerdict::Continue
    }
}

#[tokio::test]
async fn hooks_run_in_the_order_of_their_plugins_and_go_with_them() {
    let names: Arc<Mutex<Vec<_>>> = Arc::default();
    let hooking = |plugin: &str, name| {
        let noting = Noting(name, Arc::clone(&names));
        guest(plugin).hook(PRE, HookAuthority::Observe, noting)
    };
    let host = TestHost::builder()
        .plugin(guest("notes").tool("list"))
        .plugin(hooking("zeta", "z"))
        .plugin(hooking("alpha", "a"))
        .start()
        .await;
    host.call("notes/list", json!({})).await.unwrap();
    assert_eq!(*names.lock().unwrap(), ["a", "z"]);
    names.lock().unwrap().clear();
    host.disable("alpha").await;
    host.call("notes/list", json!({})).await.unwrap();
    assert_eq!(*names.lock().unwrap(), ["z"]);
}

#[tokio::test]
async fn hooks_of_a_session_run_when_the_embedder_fires_them() {
    let blocks = stage(HookPoint::SessionStart, HookAuthority::Gate, Says::Block).await;
    let error = blocks
        .host
        .view()
        .fire(HookPoint::SessionStart, json!({}))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "HOOK_BLOCKED");
    let rewrites = Says::Rewrite(json!({"system": "be brief"}));
    let rewrites = stage(HookPoint::PreLlmCall, HookAuthority::Transform, rewrites).await;
    let payload = rewrites
        .host
        .view()
        .fire(HookPoint::PreLlmCall, json!({}))
        .await
        .unwrap();
    assert_eq!(payload, json!({"system": "be brief"}));
}
