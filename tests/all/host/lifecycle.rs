//! From being found to being revoked: who moved a plugin, and what it could do meanwhile.

use std::collections::BTreeSet;

use keyway_host::PluginStatus;
use keyway_host::catalog::{Approval, Operation, StateDecision};
use keyway_host::clock::Clock;
use keyway_plugin_api::{DenialReason, EffectRequest};
use keyway_test_support::{Probe, ScriptedApprover, TestHost, assert_denied, assert_effect_denied};
use serde_json::json;

use super::guest::guest;
use super::{id, moves, operator, refused, status};

#[tokio::test]
async fn l01_every_step_of_the_happy_path_is_recorded_once() {
    let host = TestHost::with(guest("notes").tool("list")).await;
    host.revoke("notes").await;
    assert_eq!(
        moves(&host, "notes"),
        [
            "discovered -> validated",
            "validated -> pending_approval",
            "pending_approval -> approved",
            "approved -> running",
            "running -> revoked",
        ]
    );
}

#[tokio::test]
async fn l01_a_plugin_approved_while_the_host_runs_takes_the_same_steps() {
    let notes = guest("notes").tool("list");
    let approver = ScriptedApprover::later();
    let host = TestHost::builder()
        .approver(approver)
        .plugin(notes.clone())
        .start()
        .await;
    assert!(matches!(
        status(&host, "notes"),
        PluginStatus::PendingApproval { .. }
    ));
    assert_eq!(
        notes.seen().starts_and_stops(),
        (0, 0),
        "nothing runs before approval"
    );
    let approval = Approval::by(operator("ada"));
    let plugin = id("notes");
    host.run(Operation::Approve { plugin, approval })
        .await
        .unwrap();
    assert_eq!(
        moves(&host, "notes"),
        [
            "discovered -> validated",
            "validated -> pending_approval",
            "pending_approval -> approved",
            "approved -> running",
        ]
    );
    assert_eq!(
        host.call("notes/list", json!({})).await.unwrap(),
        json!("notes list")
    );
    host.disable("notes").await;
    host.enable("notes").await;
    assert_eq!(
        moves(&host, "notes")[4..],
        ["running -> stopped", "stopped -> running"]
    );
}

#[tokio::test]
async fn l03_a_revoked_plugin_is_stopped_and_its_tools_are_gone() {
    let notes = guest("notes").tool("list");
    let host = TestHost::with(notes.clone()).await;
    host.call("notes/list", json!({})).await.unwrap();
    host.revoke("notes").await;
    assert_eq!(notes.seen().starts_and_stops(), (1, 1));
    assert!(host.host().registry().is_empty());
    host.call("notes/list", json!({})).await.unwrap_err();
    assert_eq!(notes.calls("list"), 1);
    let state = host.catalog();
    let revocation = &state.keyway.revocations[&id("notes")];
    assert_eq!(revocation.by.as_str(), "host");
    assert_eq!(revocation.reason, "a test said so");
    assert_eq!(revocation.at_ms, host.clock().now_ms());
}

#[tokio::test]
async fn l03_a_revocation_takes_the_grants_and_keeps_them_on_record() {
    let approver = ScriptedApprover::approving().granting(Probe::TAGS);
    let host = TestHost::builder()
        .approver(approver)
        .plugin(Probe)
        .start()
        .await;
    assert!(
        !host
            .catalog()
            .entry(&id("probe"))
            .unwrap()
            .keyway
            .grants
            .is_empty()
    );
    host.revoke("probe").await;
    let state = host.catalog();
    assert!(state.entry(&id("probe")).unwrap().keyway.grants.is_empty());
    let kept = state.keyway.revocations[&id("probe")].grants.iter();
    let kept: BTreeSet<_> = kept.flat_map(|grant| grant.capability.tags()).collect();
    assert_eq!(kept, Probe::TAGS.map(str::to_owned).into());
}

#[tokio::test]
async fn l03_nothing_brings_a_revoked_plugin_back() {
    let folder = tempfile::tempdir().unwrap();
    let notes = guest("notes").tool("list");
    let start = |plugin| {
        TestHost::builder()
            .state_dir(folder.path())
            .plugin(plugin)
            .start()
    };
    let host = start(notes.clone()).await;
    host.revoke("notes").await;
    let plugin = || id("notes");
    let approval = Approval::by(operator("ada"));
    for operation in [
        Operation::Enable { plugin: plugin() },
        Operation::Approve {
            plugin: plugin(),
            approval,
        },
    ] {
        refused(host.run(operation).await, "REVOKED");
    }
    host.host().shutdown().await;

    let host = start(notes.clone()).await;
    assert!(matches!(status(&host, "notes"), PluginStatus::Revoked));
    host.call("notes/list", json!({})).await.unwrap_err();
    host.run(Operation::Uninstall {
        plugin: plugin(),
        cascade: false,
        state: Some(StateDecision::Discard),
    })
    .await
    .unwrap();
    host.host().shutdown().await;

    for newer in [notes.clone(), notes.clone().version("9.0.0")] {
        let host = start(newer).await;
        let report = format!("{:#?}", host.report());
        assert!(
            report.contains("REVOKED") || report.contains("Revoked"),
            "{report}"
        );
        host.call("notes/list", json!({})).await.unwrap_err();
        host.host().shutdown().await;
    }
    assert_eq!(
        notes.seen().starts_and_stops(),
        (1, 1),
        "it ran before it was revoked, no more"
    );
}

#[tokio::test]
async fn l07_an_undeclared_effect_is_denied_and_recorded_even_where_nothing_was_asked_for() {
    let host = TestHost::with(Probe).await;
    let request = EffectRequest::FsRead {
        path: "elsewhere/file".into(),
    };
    let denied = host.call("probe/ask", Probe::asking(&request)).await;
    assert_denied(
        &denied,
        DenialReason::NotDeclared,
        "filesystem:read:elsewhere/file",
    );
    assert_effect_denied(
        &host,
        DenialReason::NotDeclared,
        "filesystem:read:elsewhere/file",
    );
    assert_eq!(
        denied.unwrap_err().denial().unwrap().command,
        None,
        "nobody can grant it"
    );
}

#[tokio::test]
async fn l08_a_plugin_without_a_required_request_is_denied_and_without_an_optional_one_runs() {
    let asks = json!([
        { "kind": "filesystem", "read": ["./in"] },
        { "kind": "filesystem", "write": ["./out"], "optional": true },
    ]);
    for (tag, runs) in [
        ("filesystem:read:./in", false),
        ("filesystem:write:./out", true),
    ] {
        let host = TestHost::with(guest("notes").tool("list").asks(asks.clone())).await;
        host.run(Operation::Deny {
            plugin: id("notes"),
            by: operator("ada"),
            reason: Some("no".into()),
            tags: BTreeSet::from([tag.to_owned()]),
        })
        .await
        .unwrap();
        let answers = host.call("notes/list", json!({})).await.is_ok();
        assert_eq!(answers, runs, "{tag}");
        assert_eq!(!host.host().registry().is_empty(), runs, "{tag}");
    }
}

#[tokio::test]
async fn l09_a_grant_that_expires_while_the_plugin_runs_allows_nothing_more() {
    let host = TestHost::with(Probe).await;
    let end = host.clock().now_ms() + 60_000;
    for tag in Probe::TAGS {
        host.grant_with(tag, |mut grant| {
            grant.expires_at_ms = Some(end);
            grant
        })
        .await;
    }
    host.effects().put_file("in/file", "text");
    let read = json!({"path": "in/file"});
    host.clock().advance(59_999);
    host.call("probe/read", &read).await.unwrap();
    host.clock().advance(1);
    for (tool, arguments, tag) in Probe::calls() {
        let late = host.call(tool, arguments).await;
        assert_denied(&late, DenialReason::Expired, tag);
    }
    // Time that runs backwards brings nothing back.
    host.clock().advance(-60_000);
    let late = host.call("probe/read", &read).await;
    assert_denied(&late, DenialReason::Expired, "filesystem:read:./in");
}

#[tokio::test]
async fn c07_uninstalling_tears_down_once() {
    let notes = guest("notes").tool("list");
    let host = TestHost::with(notes.clone()).await;
    host.uninstall("notes").await;
    assert_eq!(notes.seen().starts_and_stops(), (1, 1));
    assert!(host.catalog().entries.is_empty());
    let again = Operation::Uninstall {
        plugin: id("notes"),
        cascade: false,
        state: None,
    };
    refused(host.run(again).await, "PLUGIN_NOT_FOUND");
    host.host().shutdown().await;
    assert_eq!(notes.seen().starts_and_stops(), (1, 1));
}

#[tokio::test]
async fn a_host_that_shuts_down_tears_down_each_plugin_once_last_started_first() {
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let named = |name, slot| guest(name).slot(slot).tool("list").noting_stops(&order);
    let host = TestHost::builder()
        .plugin(named("alpha", "llm"))
        .plugin(named("beta", "memory"))
        .plugin(named("gamma", "telemetry"))
        .start()
        .await;
    host.host().shutdown().await;
    host.host().shutdown().await;
    assert_eq!(*order.lock().unwrap(), ["alpha", "beta", "gamma"]);
}
