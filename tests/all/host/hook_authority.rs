//! What a hook may do at every point: no more than its authority, and all of it is recorded.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::CallError;
use keyway_host::audit::AuditEvent;
use keyway_host::limits::Limits;
use keyway_plugin_api::HookAuthority::{Gate, Observe, Transform};
use keyway_plugin_api::{Hook, HookAuthority, HookEvent, HookPoint, HookVerdict, async_trait};
use keyway_test_support::TestHost;
use serde_json::{Value, json};

use super::made::{Made, assert_recorded};

/// What a hook does with every event.
#[derive(Clone)]
enum Does {
    Blocks,
    /// Adds its name to the list `by` of the payload.
    Signs(&'static str),
    Hangs,
    Panics,
    /// Writes down what it saw and goes on.
    Watches(Arc<Mutex<Vec<HookEvent>>>),
}

#[async_trait]
impl Hook for Does {
    async fn run(&self, event: &HookEvent) -> HookVerdict {
        match self {
            Self::Blocks => HookVerdict::Block {
                reason: "not on my watch".to_owned(),
            },
            Self::Signs(name) => {
                let mut payload = event.payload.clone();
                let mut by = payload["by"].as_array().cloned().unwrap_or_default();
                by.push(json!(name));
                payload["by"] = by.into();
                HookVerdict::Rewrite(payload)
            }
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("out of cheese"),
            Self::Watches(seen) => {
                seen.lock().unwrap().push(event.clone());
                HookVerdict::Continue
            }
        }
    }
}

/// A host with a plugin `work`, whose tool gives its arguments back, and plugins of one hook each.
async fn host(hooks: Vec<Made>) -> TestHost {
    let limits = Limits {
        hook: Duration::from_millis(50),
        ..Limits::default()
    };
    let work = Made::with_tools("work", &["echo"]);
    let builder = TestHost::builder().configure(|host| host.limits(limits));
    let with = |builder: keyway_test_support::TestHostBuilder, hook| builder.plugin(hook);
    let host = hooks
        .into_iter()
        .fold(builder.plugin(work), with)
        .start()
        .await;
    assert_eq!(host.report().failures().count(), 0, "{:#?}", host.report());
    host
}

fn before(name: &'static str, authority: HookAuthority, does: Does) -> Made {
    Made::with_hook(name, HookPoint::PreToolCall, authority, does)
}

fn after(name: &'static str, authority: HookAuthority, does: Does) -> Made {
    Made::with_hook(name, HookPoint::PostToolCall, authority, does)
}

async fn echo(host: &TestHost) -> Result<Value, CallError> {
    host.call("work/echo", json!({"text": "x"})).await
}

#[tokio::test]
async fn r05_a_gate_after_a_call_keeps_the_result_back() {
    for does in [Does::Blocks, Does::Hangs, Does::Panics] {
        let host = host(vec![after("guard", Gate, does)]).await;
        assert_eq!(echo(&host).await.unwrap_err().code(), "HOOK_BLOCKED");
    }
}

#[tokio::test]
async fn r05_observers_and_transformers_fail_open_and_are_recorded() {
    for point in [HookPoint::PreToolCall, HookPoint::PostToolCall] {
        for authority in [Observe, Transform] {
            for (does, why) in [
                (Does::Hangs, "took longer"),
                (Does::Panics, "out of cheese"),
                (Does::Blocks, "beyond its authority"),
            ] {
                let host = host(vec![Made::with_hook("odd", point, authority, does)]).await;
                let answer = echo(&host).await.unwrap();
                assert_eq!(answer, json!({"text": "x"}), "{authority:?} {why}");
                assert_recorded(&host, why, |event| {
                    matches!(event, AuditEvent::HookFailed { plugin, point: at, reason, .. }
                        if plugin.as_str() == "odd" && *at == point && reason.contains(why))
                });
            }
        }
    }
}

#[tokio::test]
async fn r05_an_observer_cannot_rewrite() {
    for made in [
        before("odd", Observe, Does::Signs("odd")),
        after("odd", Observe, Does::Signs("odd")),
    ] {
        let host = host(vec![made]).await;
        assert_eq!(echo(&host).await.unwrap(), json!({"text": "x"}));
        let rewrote = |event: &AuditEvent| matches!(event, AuditEvent::HookRewrote { .. });
        assert!(!host.audit_events().iter().any(rewrote));
    }
}

#[tokio::test]
async fn r05_transformers_rewrite_arguments_and_results_in_order_of_their_plugins_ids() {
    // Linked plugins have one trust; their ids decide, and not the order of the builder.
    let hooks = vec![
        after("d-after", Transform, Does::Signs("d")),
        before("b-before", Transform, Does::Signs("b")),
        after("c-after", Gate, Does::Signs("c")),
        before("a-before", Gate, Does::Signs("a")),
    ];
    let host = host(hooks).await;
    let answer = echo(&host).await.unwrap();
    assert_eq!(answer, json!({"text": "x", "by": ["a", "b", "c", "d"]}));
    let rewrote = host
        .audit_events()
        .into_iter()
        .filter_map(|event| match event {
            AuditEvent::HookRewrote {
                call: Some(_),
                plugin,
                point,
            } => Some((plugin.to_string(), point)),
            _ => None,
        });
    let expected = [
        ("a-before", HookPoint::PreToolCall),
        ("b-before", HookPoint::PreToolCall),
        ("c-after", HookPoint::PostToolCall),
        ("d-after", HookPoint::PostToolCall),
    ];
    let expected = expected.map(|(plugin, point)| (plugin.to_owned(), point));
    assert_eq!(rewrote.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn r05_a_hook_sees_who_calls_what_and_only_after_the_gate_said_yes() {
    let seen: Arc<Mutex<Vec<HookEvent>>> = Arc::default();
    let hooks = vec![before("watch", Observe, Does::Watches(Arc::clone(&seen)))];
    let host = host(hooks).await;
    echo(&host).await.unwrap();
    let event = seen.lock().unwrap().pop().unwrap();
    assert_eq!(event.tool, "work/echo");
    assert_eq!(event.caller, host.view().caller().to_string());
    assert_eq!(event.payload, json!({"text": "x"}));
    host.disable("work").await;
    echo(&host).await.unwrap_err();
    assert!(
        seen.lock().unwrap().is_empty(),
        "a refused call reached a hook"
    );
}

#[tokio::test]
async fn r05_hooks_fire_at_every_point_of_an_agents_life() {
    for point in HookPoint::ALL {
        let seen: Arc<Mutex<Vec<HookEvent>>> = Arc::default();
        let hooks = vec![
            Made::with_hook("a-pen", point, Transform, Does::Signs("a-pen")),
            Made::with_hook("b-watch", point, Observe, Does::Watches(Arc::clone(&seen))),
        ];
        let host = host(hooks).await;
        let payload = json!({"point": point});
        let answer = host.view().fire(point, payload).await.unwrap();
        assert_eq!(answer, json!({"point": point, "by": ["a-pen"]}), "{point}");
        let event = seen.lock().unwrap().pop().unwrap();
        assert_eq!((event.point, event.payload), (point, answer), "{point}");
        for other in HookPoint::ALL.into_iter().filter(|other| *other != point) {
            host.view().fire(other, json!({})).await.unwrap();
        }
        assert!(seen.lock().unwrap().is_empty(), "{point} fired elsewhere");
    }
}

#[tokio::test]
async fn r05_a_gate_blocks_at_every_point_of_an_agents_life() {
    for point in HookPoint::ALL {
        let host = host(vec![Made::with_hook("guard", point, Gate, Does::Blocks)]).await;
        let blocked = host.view().fire(point, json!({})).await.unwrap_err();
        assert_eq!(
            (blocked.plugin.as_str(), &*blocked.reason),
            ("guard", "not on my watch")
        );
        assert_recorded(
            &host,
            "block",
            |event| matches!(event, AuditEvent::HookBlocked { call: None, point: at, .. } if *at == point),
        );
    }
}
