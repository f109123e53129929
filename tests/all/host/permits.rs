//! A permit is good for the call it was made for and for no other.
//!
//! Most of this cannot be written down: a `Permit` has no constructor and is not `Clone`, an `Ask`
//! is made by the host alone and is spent by answering it, so a gate can neither forge an answer
//! nor answer twice (the examples of `keyway_host::gate::Permit` do not compile). What a type
//! cannot forbid is a gate that keeps an answer and gives it to another question.

use std::sync::{Arc, Mutex};

use keyway_host::audit::AuditEvent;
use keyway_host::gate::{Ask, CapabilityGate, EffectAsk, EffectVerdict, StandardGate, Verdict};
use keyway_test_support::TestHost;
use serde_json::json;

use super::made::{Made, assert_recorded};

/// Which call's answer is kept, and which call gets it.
#[derive(Clone, Copy, PartialEq)]
enum Swap {
    Nothing,
    FirstForSecond,
}

/// Keeps the yes it made for the first call and gives it to the second.
struct Stashing {
    swap: Swap,
    kept: Mutex<Option<Verdict>>,
}

impl CapabilityGate for Stashing {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        let mut kept = self.kept.lock().unwrap();
        match (kept.take(), self.swap) {
            // Asking for the second call: the first call's yes.
            (Some(verdict), Swap::FirstForSecond) => {
                let _unanswered = ask;
                verdict
            }
            (_, Swap::FirstForSecond) => {
                *kept = Some(ask.permit());
                drop(kept);
                // There is no other way out: what makes an answer was spent.
                panic!("the first call gets no answer")
            }
            (_, Swap::Nothing) => ask.permit(),
        }
    }

    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        StandardGate::default().decide_effect(ask)
    }
}

async fn host(swap: Swap) -> TestHost {
    let gate = Stashing {
        swap,
        kept: Mutex::default(),
    };
    TestHost::builder()
        .configure(|host| host.gate(gate))
        .plugin(Made::with_tools("one", &["a", "b"]))
        .start()
        .await
}

#[tokio::test]
async fn l14_a_permit_made_for_one_call_is_refused_for_another() {
    for second in ["one/a", "one/b"] {
        let host = host(Swap::FirstForSecond).await;
        let first = host.call("one/a", json!({})).await.unwrap_err();
        assert_eq!(first.denial().unwrap().asked, "an answer of the gate");
        let error = host.call(second, json!({"other": true})).await.unwrap_err();
        assert_eq!(error.code(), "FORBIDDEN", "{second}: {error}");
        assert_eq!(
            error.denial().unwrap().asked,
            "a call",
            "the gate did answer"
        );
        assert_recorded(
            &host,
            "denial",
            |event| matches!(event, AuditEvent::CallDenied { tool, .. } if **tool == *second),
        );
        let ran = |event: &AuditEvent| matches!(event, AuditEvent::ToolCalled { .. });
        assert!(!host.audit_events().iter().any(ran), "{second} ran");
    }
}

#[tokio::test]
async fn l14_the_same_gate_lets_calls_pass_when_it_keeps_nothing() {
    let host = host(Swap::Nothing).await;
    for tool in ["one/a", "one/b", "one/a"] {
        host.call(tool, json!({})).await.unwrap();
    }
}

/// Lets everything pass, whatever was granted.
struct Open;

impl CapabilityGate for Open {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        ask.permit()
    }

    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        StandardGate::default().decide_effect(ask)
    }
}

/// Revokes the plugin from inside the hook that runs between the permit and the call.
#[derive(Clone)]
struct Revoking(Arc<Mutex<Option<Arc<TestHost>>>>);

#[keyway_plugin_api::async_trait]
impl keyway_plugin_api::Hook for Revoking {
    async fn run(&self, _: &keyway_plugin_api::HookEvent) -> keyway_plugin_api::HookVerdict {
        let host = self.0.lock().unwrap().take();
        if let Some(host) = host {
            host.revoke("one").await;
        }
        keyway_plugin_api::HookVerdict::Continue
    }
}

#[tokio::test]
async fn l14_a_permit_from_before_a_revocation_is_refused_after_it() {
    use keyway_plugin_api::{HookAuthority, HookPoint};
    let hook = Revoking(Arc::default());
    let (point, authority) = (HookPoint::PreToolCall, HookAuthority::Observe);
    let host = TestHost::builder()
        .configure(|host| host.gate(Open))
        .plugin(Made::with_tools("one", &["a"]))
        .plugin(Made::with_hook("hook", point, authority, hook.clone()))
        .start()
        .await;
    let host = Arc::new(host);
    // The control: the hook does nothing yet.
    host.call("one/a", json!({})).await.unwrap();
    *hook.0.lock().unwrap() = Some(Arc::clone(&host));
    let error = host.call("one/a", json!({})).await.unwrap_err();
    assert_eq!(error.code(), "REVOKED", "{error}");
}
