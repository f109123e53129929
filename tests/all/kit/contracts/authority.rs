//! What decides and what is named: gates, registries, approvers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::approval::{ApprovalRequest, ApproveAll, Approver, DecideLater, Decision};
use keyway_host::gate::{
    Ask, CapabilityGate, EffectAsk, EffectVerdict, Policy, StandardGate, Verdict,
};
use keyway_host::registry::{
    LiveRegistry, RegistrationReport, RegistryChange, RegistrySnapshot, ToolRegistry,
};
use keyway_plugin_api::{Denial, DenialReason, async_trait};
use keyway_test_support::{ScriptedApprover, contract};
use serde_json::json;

use super::rejects_async;

/// Refuses everything; a gate may.
struct Refuses;

impl CapabilityGate for Refuses {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        let name = ask.tool().name().to_owned();
        ask.deny(Denial::new(DenialReason::Forbidden, name, "anything"))
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        StandardGate::default().decide_effect(ask)
    }
}

#[tokio::test]
async fn gates_that_ship_keep_the_contract() {
    contract::capability_gate(StandardGate::default).await;
    contract::capability_gate(|| StandardGate::new(Policy::strict())).await;
    contract::capability_gate(|| Refuses).await;
}

/// Permits everything.
struct Open;

impl CapabilityGate for Open {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        ask.permit()
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        ask.permit(Vec::new())
    }
}

/// Looks at calls and lets every effect pass.
struct HalfOpen(StandardGate);

impl CapabilityGate for HalfOpen {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        self.0.decide(ask)
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        ask.permit(Vec::new())
    }
}

/// Falls over.
struct Panics;

impl CapabilityGate for Panics {
    fn decide(&self, _ask: Ask<'_>) -> Verdict {
        panic!("the gate fell over")
    }
    fn decide_effect(&self, _ask: EffectAsk<'_>) -> EffectVerdict {
        panic!("the gate fell over")
    }
}

#[tokio::test]
async fn broken_gates_are_rejected() {
    rejects_async("must not pass", contract::capability_gate(|| Open)).await;
    let half_open = || HalfOpen(StandardGate::default());
    rejects_async("must not pass", contract::capability_gate(half_open)).await;
    rejects_async(
        "a gate must not panic",
        contract::capability_gate(|| Panics),
    )
    .await;
}

// Registries.

#[tokio::test]
async fn the_registry_that_ships_keeps_the_contract() {
    contract::tool_registry(LiveRegistry::new).await;
}

/// Shows a change one step late.
#[derive(Default)]
struct Late {
    live: LiveRegistry,
    shown: Mutex<Option<Arc<RegistrySnapshot>>>,
}

impl ToolRegistry for Late {
    fn snapshot(&self) -> Arc<RegistrySnapshot> {
        let shown = self.shown.lock().unwrap().clone();
        shown.unwrap_or_else(|| self.live.snapshot())
    }
    fn publish(&self, change: RegistryChange) -> RegistrationReport {
        *self.shown.lock().unwrap() = Some(self.live.snapshot());
        self.live.publish(change)
    }
}

/// Keeps what became of a change to itself.
#[derive(Default)]
struct Silent(LiveRegistry);

impl ToolRegistry for Silent {
    fn snapshot(&self) -> Arc<RegistrySnapshot> {
        self.0.snapshot()
    }
    fn publish(&self, change: RegistryChange) -> RegistrationReport {
        self.0.publish(change);
        RegistrationReport::default()
    }
}

#[tokio::test]
async fn broken_registries_are_rejected() {
    let late = contract::tool_registry(Late::default);
    rejects_async("what was published must be found", late).await;
    let silent = contract::tool_registry(Silent::default);
    rejects_async("must be reported as refused", silent).await;
}

// Approvers.

const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn approvers_that_ship_keep_the_contract() {
    contract::approver(ApproveAll, PATIENCE).await;
    contract::approver(DecideLater, PATIENCE).await;
    let granting = ScriptedApprover::approving().granting(["filesystem:write:./notes"]);
    contract::approver(granting, PATIENCE).await;
}

/// Never comes back.
struct Asleep;

#[async_trait]
impl Approver for Asleep {
    async fn review(&self, _request: &ApprovalRequest) -> Decision {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn broken_approvers_are_rejected() {
    let answers = |decision| ScriptedApprover::answering(decision);
    let edit = Decision::Edit {
        arguments: json!([1]),
    };
    let wordless = Decision::Deny { reason: " ".into() };
    let greedy = Decision::Approve {
        optional: vec!["secret:EVERYTHING".to_owned()],
    };
    for (decision, rule) in [
        (edit, "approved, denied or left"),
        (wordless, "told why not"),
        (greedy, "only what a plugin asks for"),
    ] {
        rejects_async(rule, contract::approver(answers(decision), PATIENCE)).await;
    }
    let listed = ScriptedApprover::for_calls(Decision::Edit {
        arguments: json!([1]),
    });
    rejects_async(
        "arguments are an object",
        contract::approver(listed, PATIENCE),
    )
    .await;
    rejects_async("a review must end", contract::approver(Asleep, PATIENCE)).await;
}
