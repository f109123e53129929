//! One call, from its name to its audit event.

use std::sync::Arc;

use keyway_host::approval::{ApproveAll, DecideLater};
use keyway_host::audit::{AuditEvent, MemoryAudit};
use keyway_host::catalog::{Approval, Operation};
use keyway_host::operator::OperatorId;
use keyway_host::scope::Scope;
use keyway_host::{CallError, Host, Outcome, PluginStatus};
use keyway_plugin_api::{DenialReason, PluginId};
use serde_json::json;

use super::plugins::Sums;

fn agent() -> Scope {
    "acme/support/triage".parse().unwrap()
}

async fn started(plugin: Sums) -> (Host, Arc<MemoryAudit>) {
    let audit = Arc::new(MemoryAudit::new());
    let host = Host::builder("test", "1.0.0")
        .approver(ApproveAll)
        .audit(Arc::clone(&audit))
        .plugin(plugin)
        .build()
        .unwrap();
    let report = host.start().await;
    assert!(report.plugin("sums").unwrap().is_running(), "{report:#?}");
    (host, audit)
}

#[tokio::test]
async fn a_permitted_call_gives_its_result_and_one_audit_event() {
    let (host, audit) = started(Sums::default()).await;
    drop(audit.take());
    let outcome = host
        .view(agent())
        .call("sums/add", r#"{"a":1,"b":2}"#)
        .await
        .unwrap();
    let Outcome::Done(output) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(output.to_value(), json!({"sum": 3}));
    let events = audit.take();
    assert!(
        matches!(&events[..], [AuditEvent::ToolCalled { outcome, .. }] if outcome == "OK"),
        "{events:#?}"
    );
}

#[tokio::test]
async fn l07_a_write_without_a_grant_names_the_grant_and_the_command() {
    let (host, audit) = started(Sums::default()).await;
    let error = host
        .view(agent())
        .call("sums/keep", r#"{"text":"x"}"#)
        .await
        .unwrap_err();
    let denial = error.denial().expect("a denial");
    assert_eq!(denial.reason, DenialReason::NotGranted);
    assert_eq!(denial.asked, "filesystem:write:./notes");
    assert_eq!(
        denial.command.as_deref(),
        Some("keyway plugin approve sums --grant filesystem:write:./notes")
    );
    assert!(
        audit
            .events()
            .iter()
            .any(|e| matches!(e, AuditEvent::CallDenied { .. }))
    );
}

#[tokio::test]
async fn l10_bad_input_is_never_dispatched_and_every_problem_is_named() {
    let (host, _) = started(Sums::default()).await;
    let view = host.view(agent());
    for (arguments, says) in [
        (r#"{"a":1}"#, "b"),
        (r#"{"a":1,"b":"2"}"#, "b"),
        (r#"{"a":1,"b":2,"c":3}"#, "c"),
        (r#"{"a":1,"#, "EOF"),
        ("[]", "object"),
    ] {
        let error = view.call("sums/add", arguments).await.unwrap_err();
        assert!(
            matches!(error, CallError::BadArguments { .. }),
            "{arguments}: {error:?}"
        );
        assert!(error.to_string().contains(says), "{arguments}: {error}");
    }
}

#[tokio::test]
async fn l10_an_unknown_tool_is_refused_with_the_nearest_name() {
    let (host, _) = started(Sums::default()).await;
    let error = host.view(agent()).call("sums/ad", "{}").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no tool `sums/ad`; did you mean `sums/add`?"
    );
}

#[tokio::test]
async fn a_destructive_call_waits_for_an_operator() {
    let audit = Arc::new(MemoryAudit::new());
    let host = Host::builder("test", "1.0.0")
        .approver(DecideLater)
        .audit(Arc::clone(&audit))
        .plugin(Sums::default())
        .build()
        .unwrap();
    let report = host.start().await;
    let status = &report.plugin("sums").unwrap().status;
    assert!(
        matches!(status, PluginStatus::PendingApproval { .. }),
        "{status:?}"
    );
    let operator = OperatorId::parse("ada").unwrap();
    let plugin = PluginId::parse("sums").unwrap();
    let approval = Approval::by(operator);
    host.run(&Operation::Approve { plugin, approval })
        .await
        .unwrap();
    let outcome = host.view(agent()).call("sums/wipe", "{}").await.unwrap();
    assert!(matches!(outcome, Outcome::NeedsApproval(_)), "{outcome:?}");
}
