//! Exclusive slots while plugins run: who serves, who waits, who goes.

use keyway_host::PluginStatus;
use keyway_host::audit::AuditEvent;
use keyway_host::catalog::{Approval, Operation};
use keyway_host::rank::{Precedence, Trust};
use keyway_plugin_api::Slot;
use keyway_test_support::{CodeRuntime, ScriptedApprover, TempPackages, TestHost};
use serde_json::json;

use super::guest::{Act, Guest, guest};
use super::{id, operator, refused, status};

/// An incumbent of the slot `llm`, linked and running, and a challenger of the workspace on disk.
struct Contest {
    host: TestHost,
    incumbent: Guest,
    challenger: Guest,
    packages: TempPackages,
}

async fn contest(incumbent: Guest) -> Contest {
    let challenger = guest("challenger").slot("llm").tool("ask").process();
    let packages = TempPackages::new();
    packages.write("challenger", &challenger.text());
    let runtime = CodeRuntime::new().with("challenger", challenger.clone());
    let host = TestHost::builder()
        .approver(ScriptedApprover::approving())
        .plugin(incumbent.clone())
        .configure(|host| host.runtime(runtime))
        .start()
        .await;
    assert_eq!(host.catalog().occupant(Slot::Llm), Some(&id("incumbent")));
    Contest {
        host,
        incumbent,
        challenger,
        packages,
    }
}

impl Contest {
    fn install(&self) -> Operation {
        let candidate = self.packages.candidate("challenger");
        let candidate = candidate
            .with_precedence(Precedence::Workspace)
            .with_trust(Trust::Community);
        Operation::Install {
            candidate: Box::new(candidate),
        }
    }

    fn approve() -> Operation {
        Operation::Approve {
            plugin: id("challenger"),
            approval: Approval::by(operator("ada")),
        }
    }

    /// Asserts that the incumbent holds the slot, answers, and was never torn down.
    async fn incumbent_serves(&self) {
        let answer = self.host.call("incumbent/ask", json!({})).await.unwrap();
        assert_eq!(answer, json!("incumbent ask"));
        assert_eq!(
            self.host.catalog().occupant(Slot::Llm),
            Some(&id("incumbent"))
        );
        assert_eq!(self.incumbent.seen().starts_and_stops(), (1, 0));
    }
}

#[tokio::test]
async fn c15_an_unapproved_workspace_plugin_waits_and_the_incumbent_serves() {
    let contest = contest(guest("incumbent").slot("llm").tool("ask")).await;
    contest.host.run(contest.install()).await.unwrap();
    contest.incumbent_serves().await;
    assert_eq!(contest.challenger.seen().starts_and_stops(), (0, 0));
    contest
        .host
        .call("challenger/ask", json!({}))
        .await
        .unwrap_err();
    let enable = Operation::Enable {
        plugin: id("challenger"),
    };
    refused(contest.host.run(enable).await, "APPROVAL_PENDING");
    contest.incumbent_serves().await;

    contest.host.run(Contest::approve()).await.unwrap();
    assert_eq!(
        contest.host.catalog().occupant(Slot::Llm),
        Some(&id("challenger"))
    );
    let answer = contest
        .host
        .call("challenger/ask", json!({}))
        .await
        .unwrap();
    assert_eq!(answer, json!("challenger ask"));
}

#[tokio::test]
async fn c16_a_challenger_that_does_not_start_costs_the_incumbent_nothing() {
    for act in [Act::Fails, Act::Panics] {
        let contest = contest(guest("incumbent").slot("llm").tool("ask")).await;
        contest.challenger.seen().start_next(act);
        contest.host.run(contest.install()).await.unwrap();
        let before = contest.host.catalog();
        contest.host.run(Contest::approve()).await.unwrap_err();
        assert_eq!(contest.host.catalog(), before, "{act:?}");
        contest.incumbent_serves().await;
        assert_eq!(contest.challenger.seen().starts_and_stops(), (1, 0));
        let events = contest.host.audit_events();
        let failed = events.iter().find_map(|event| match event {
            AuditEvent::PluginFailed { plugin, stage, .. } => Some((plugin.to_string(), stage)),
            _ => None,
        });
        assert_eq!(
            failed,
            Some(("challenger".to_owned(), &"start".into())),
            "{act:?}"
        );
    }
}

#[tokio::test]
async fn c16_the_incumbent_is_torn_down_once_the_challenger_runs() {
    let contest = contest(guest("incumbent").slot("llm")).await;
    contest.host.run(contest.install()).await.unwrap();
    let report = contest.host.run(Contest::approve()).await.unwrap();
    let collision = report.collision.unwrap();
    assert!(collision.will_displace);
    assert_eq!(collision.incumbent_id, id("incumbent"));
    assert_eq!(contest.incumbent.seen().starts_and_stops(), (1, 1));
    assert_eq!(contest.challenger.seen().starts_and_stops(), (1, 0));
    let collisions = contest.host.audit_events().into_iter().filter(|event| {
        matches!(
            event,
            AuditEvent::SlotCollision {
                will_displace: true,
                ..
            }
        )
    });
    assert_eq!(collisions.count(), 1);
}

#[tokio::test]
async fn c17_a_plugin_that_loses_its_slot_keeps_its_tools() {
    let contest = contest(guest("incumbent").slot("llm").tool("ask")).await;
    contest.host.run(contest.install()).await.unwrap();
    contest.host.run(Contest::approve()).await.unwrap();
    let state = contest.host.catalog();
    assert_eq!(state.occupant(Slot::Llm), Some(&id("challenger")));
    assert!(!state.entry(&id("incumbent")).unwrap().enabled);
    for plugin in ["incumbent", "challenger"] {
        let answer = contest
            .host
            .call(&format!("{plugin}/ask"), json!({}))
            .await
            .unwrap();
        assert_eq!(answer, json!(format!("{plugin} ask")));
    }
    assert_eq!(contest.incumbent.seen().starts_and_stops(), (1, 0));
}

#[tokio::test]
async fn plugins_start_in_the_order_of_their_slots() {
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let named = |name, slot| guest(name).slot(slot).noting_starts(&order);
    let host = TestHost::builder()
        .plugin(named("alpha", "custom"))
        .plugin(named("beta", "proof"))
        .plugin(named("gamma", "llm"))
        .plugin(named("delta", "memory"))
        .plugin(named("epsilon", "telemetry"))
        .start()
        .await;
    assert!(matches!(
        status(&host, "alpha"),
        PluginStatus::Running { .. }
    ));
    let expected = ["epsilon", "delta", "gamma", "beta", "alpha"];
    assert_eq!(*order.lock().unwrap(), expected);
}
