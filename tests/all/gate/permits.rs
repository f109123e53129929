//! What is not a permit for this call, and what is not a tool.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use keyway_host::explain::ExplainedVerdict;
use keyway_host::gate::{Ask, CapabilityGate, EffectAsk, EffectVerdict, StandardGate, Verdict};
use keyway_plugin_api::DenialReason;
use keyway_test_support::{Probe, TestHost, assert_denied};
use serde_json::json;

/// Keeps the answer to a dry run and gives it to the next real call.
#[derive(Default)]
struct Replaying {
    gate: StandardGate,
    stash: Mutex<Option<Verdict>>,
    is_dry: AtomicBool,
}

impl CapabilityGate for Replaying {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        let mine = self.gate.decide(ask);
        if !self.is_dry.load(Ordering::SeqCst) {
            return self.stash.lock().unwrap().take().unwrap_or(mine);
        }
        let kept = self.stash.lock().unwrap().replace(mine);
        match kept {
            Some(verdict) => verdict,
            // A panic is a no, and the verdict stays in the stash.
            None => panic!("nothing else to answer with"),
        }
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        self.gate.decide_effect(ask)
    }
}

#[tokio::test]
async fn s_l14_the_permit_of_a_dry_run_is_worth_nothing() {
    let gate = Arc::new(Replaying::default());
    let given = Arc::clone(&gate);
    let host = TestHost::builder()
        .plugin(Probe)
        .configure(|host| host.gate(given));
    let host = host.start().await;
    host.call("probe/pong", json!({})).await.unwrap();
    gate.is_dry.store(true, Ordering::SeqCst);
    let explained = host.view().explain("probe/pong");
    assert_eq!(explained.verdict, ExplainedVerdict::Denied);
    gate.is_dry.store(false, Ordering::SeqCst);
    assert!(gate.stash.lock().unwrap().is_some());
    let stale = host.call("probe/pong", json!({})).await;
    assert_denied(&stale, DenialReason::Forbidden, "a call");
    host.call("probe/pong", json!({})).await.unwrap();
}

#[tokio::test]
async fn l10_a_tool_that_nobody_registered_is_never_dispatched() {
    let host = TestHost::with(Probe).await;
    for name in [
        "probe/nothing",
        "probe/",
        "/ask",
        "probe",
        "nobody/ask",
        "probe/ask/more",
        "",
        "\u{202e}",
        "probe/\u{1b}[2J",
        "PROBE/ask",
    ] {
        let error = host.call(name, json!({})).await.unwrap_err();
        assert_eq!(error.code(), "UNKNOWN_TOOL", "{name:?}");
        let shown = error.to_string();
        assert!(
            shown.chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{shown:?}"
        );
    }
}
