//! What every gate does: never more than the operator's grants.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_host::Outcome;
use keyway_host::catalog::{CatalogState, Grant};
use keyway_host::digest::Digest;
use keyway_host::gate::{Ask, CapabilityGate, EffectAsk, EffectVerdict, Verdict};
use keyway_host::store::MemoryStore;
use serde_json::json;

use crate::{Probe, TestHost};

/// Holds a [`CapabilityGate`] to its contract: it may refuse more than the standard gate, and it
/// permits nothing that no operator granted.
///
/// # Panics
/// With the rule that does not hold.
pub async fn capability_gate<G: CapabilityGate>(make: impl Fn() -> G) {
    for situation in Situation::ALL {
        let (host, panicked) = host(make(), MemoryStore::new()).await;
        let host = match situation {
            Situation::OtherBytes | Situation::UsesSpent => {
                grant_all(&host, |grant| grant).await;
                let store = MemoryStore::of(spoil(&host.catalog(), situation));
                drop(host);
                self::host(make(), store).await.0
            }
            _ => {
                situation.arrange(&host).await;
                host
            }
        };
        nothing_passes(&host, situation).await;
        assert!(
            !panicked.load(Ordering::Acquire),
            "a gate must not panic ({situation:?})"
        );
    }
}

/// Situations in which nothing may pass.
#[derive(Debug, Clone, Copy)]
enum Situation {
    Disabled,
    Expired,
    GrantRevoked,
    NotGranted,
    OtherBytes,
    OtherScope,
    Revoked,
    UsesSpent,
}

impl Situation {
    const ALL: [Self; 8] = [
        Self::Disabled,
        Self::Expired,
        Self::GrantRevoked,
        Self::NotGranted,
        Self::OtherBytes,
        Self::OtherScope,
        Self::Revoked,
        Self::UsesSpent,
    ];

    async fn arrange(self, host: &TestHost) {
        match self {
            Self::NotGranted | Self::OtherBytes | Self::UsesSpent => {}
            Self::Disabled => {
                grant_all(host, |grant| grant).await;
                host.disable(Probe::NAME).await;
            }
            Self::Revoked => {
                grant_all(host, |grant| grant).await;
                host.revoke(Probe::NAME).await;
            }
            Self::GrantRevoked => {
                grant_all(host, |grant| grant).await;
                for tag in Probe::TAGS {
                    host.revoke_grant(tag).await;
                }
            }
            Self::Expired => {
                use keyway_host::clock::Clock as _;
                let end = host.clock().now_ms() + 1_000;
                let ending = |mut grant: Grant| {
                    grant.expires_at_ms = Some(end);
                    grant
                };
                grant_all(host, ending).await;
                host.clock().advance(1_000);
            }
            Self::OtherScope => {
                let elsewhere = |mut grant: Grant| {
                    grant.scope = scope("globex/lab/other");
                    grant
                };
                grant_all(host, elsewhere).await;
            }
        }
    }
}

async fn host<G: CapabilityGate>(gate: G, store: MemoryStore) -> (TestHost, Arc<AtomicBool>) {
    let panicked = Arc::new(AtomicBool::new(false));
    let gate = Watched(gate, Arc::clone(&panicked));
    let host = TestHost::builder()
        .store(store)
        .agent("acme/support/triage")
        .plugin(Probe)
        .configure(|host| host.gate(gate))
        .start()
        .await;
    (host, panicked)
}

async fn grant_all(host: &TestHost, change: impl Fn(Grant) -> Grant) {
    for tag in Probe::TAGS {
        host.grant_with(tag, &change).await;
    }
}

/// Rewrites the grants as no operator could: for other bytes, or with no uses left.
fn spoil(state: &CatalogState, situation: Situation) -> CatalogState {
    let mut document = serde_json::to_value(state).unwrap_or_default();
    let place = format!("/entries/{}/keyway/grants", Probe::NAME);
    let grants = document.pointer_mut(&place).and_then(|g| g.as_array_mut());
    for grant in grants.into_iter().flatten() {
        match situation {
            Situation::UsesSpent => grant["usesLeft"] = json!(0),
            _ => grant["digest"] = json!(Digest::of(b"other bytes")),
        }
    }
    match serde_json::from_value(document) {
        Ok(state) => state,
        Err(error) => panic!("bug in the kit: {error}"),
    }
}

async fn nothing_passes(host: &TestHost, situation: Situation) {
    drop(host.effects().take());
    for (tool, arguments, tag) in Probe::calls() {
        let result = host.outcome(tool, arguments).await;
        let refused = !matches!(result, Ok(Outcome::Done(_)));
        assert!(
            refused,
            "{tool} needs {tag} and must not pass ({situation:?})"
        );
    }
    let guarded = Probe::requests()
        .into_iter()
        .filter_map(|(r, tag)| Some((r, tag?)));
    for (request, tag) in guarded {
        let result = host.outcome("probe/ask", Probe::asking(&request)).await;
        let refused = !matches!(result, Ok(Outcome::Done(_)));
        assert!(
            refused,
            "{request:?} needs {tag} and must not pass ({situation:?})"
        );
    }
    let hidden = host.outcome("probe/hidden", json!({})).await;
    assert!(
        !matches!(hidden, Ok(Outcome::Done(_))),
        "an optional tool that no rule shows must not pass ({situation:?})"
    );
    let performed = host.effects().take();
    assert!(
        performed.is_empty(),
        "no effect may be performed ({situation:?}): {performed:?}"
    );
}

fn scope(text: &str) -> keyway_host::scope::Scope {
    match text.parse() {
        Ok(scope) => scope,
        Err(error) => panic!("bug in the kit: {error}"),
    }
}

/// Notices a panic before the host makes a refusal of it.
struct Watched<G>(G, Arc<AtomicBool>);

impl<G> Watched<G> {
    fn watch<T>(&self, decide: impl FnOnce(&G) -> T) -> T {
        match catch_unwind(AssertUnwindSafe(|| decide(&self.0))) {
            Ok(verdict) => verdict,
            Err(panic) => {
                self.1.store(true, Ordering::Release);
                resume_unwind(panic)
            }
        }
    }
}

impl<G: CapabilityGate> CapabilityGate for Watched<G> {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        self.watch(|gate| gate.decide(ask))
    }

    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        self.watch(|gate| gate.decide_effect(ask))
    }
}
