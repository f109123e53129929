//! Attack D9: approvals that race, come too late, or are meant for other bytes.

use keyway_host::catalog::{Approval, Authority, Operation};
use keyway_host::digest::Digest;
use keyway_host::operator::OperatorId;
use keyway_plugin_api::{AgentId, PluginId};
use keyway_test_support::{Probe, TempPackages, TestHost};
use serde_json::json;

fn id() -> PluginId {
    PluginId::parse("pending").unwrap()
}

fn manifest(version: &str) -> String {
    let manifest = json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "pending", "version": version,
        "extensions": { "dev.keyway": {
            "schemaVersion": 1, "api": ">=0.1, <0.2",
            "capabilities": [{ "kind": "filesystem", "read": ["./in"] }],
        } },
    });
    manifest.to_string()
}

/// A host with a plugin that waits for approval; returns its digest, too.
async fn waiting(packages: &TempPackages) -> (TestHost, Digest) {
    packages.write("pending", &manifest("1.0.0"));
    let candidate = packages.candidate("pending");
    let digest = candidate.declared.digest.unwrap();
    let host = TestHost::builder().plugin(Probe).start().await;
    let candidate = Box::new(candidate);
    host.run(Operation::Install { candidate }).await.unwrap();
    assert_eq!(authority(&host), Authority::PendingApproval);
    (host, digest)
}

async fn change(host: &TestHost, packages: &TempPackages) -> Digest {
    packages.write("pending", &manifest("2.0.0"));
    let candidate = packages.candidate("pending");
    let digest = candidate.declared.digest.unwrap();
    let (plugin, candidate) = (id(), Box::new(candidate));
    host.run(Operation::Update { plugin, candidate })
        .await
        .unwrap();
    digest
}

fn authority(host: &TestHost) -> Authority {
    host.catalog().entry(&id()).unwrap().keyway.authority
}

fn approve() -> Approval {
    Approval::by(OperatorId::parse("ada").unwrap())
}

fn operation(approval: Approval) -> Operation {
    let plugin = id();
    Operation::Approve { plugin, approval }
}

#[tokio::test]
async fn s_d9_an_approval_of_other_bytes_is_refused() {
    let packages = TempPackages::new();
    let (host, first) = waiting(&packages).await;
    let second = change(&host, &packages).await;
    for stale in [first, Digest::of(b"never there")] {
        let refused = host.run(operation(approve().with_digest(stale))).await;
        assert_eq!(refused.unwrap_err().code(), "APPROVAL_STALE");
        assert_eq!(authority(&host), Authority::PendingApproval);
    }
    host.run(operation(approve().with_digest(second)))
        .await
        .unwrap();
    assert_eq!(authority(&host), Authority::Approved);
}

#[tokio::test]
async fn s_d9_of_two_approvals_of_one_catalog_the_second_is_refused() {
    let packages = TempPackages::new();
    let (host, digest) = waiting(&packages).await;
    let plan = || host.host().plan(&operation(approve().with_digest(digest)));
    let (first, second) = (plan().unwrap(), plan().unwrap());
    host.host().apply(first).await.unwrap();
    let refused = host.host().apply(second).await.unwrap_err();
    assert_eq!(refused.code(), "CONFLICT");
}

#[tokio::test]
async fn s_d9_an_approval_after_a_revocation_is_refused() {
    let packages = TempPackages::new();
    let (host, digest) = waiting(&packages).await;
    let planned = host
        .host()
        .plan(&operation(approve().with_digest(digest)))
        .unwrap();
    host.revoke("pending").await;
    let late = host.host().apply(planned).await.unwrap_err();
    assert_eq!(late.code(), "CONFLICT");
    let refused = host.run(operation(approve())).await.unwrap_err();
    assert_eq!(refused.code(), "REVOKED");
    assert_eq!(authority(&host), Authority::Revoked);
}

#[tokio::test]
async fn s_d9_an_agent_can_propose_and_nothing_it_calls_approves() {
    let packages = TempPackages::new();
    let (host, _) = waiting(&packages).await;
    host.grant("tool:probe/*").await;
    let before = host.catalog();
    for request in [
        json!({"op": "approve", "plugin": "pending"}),
        json!({"do": "approve", "plugin": "pending", "approval": approve()}),
        json!({"op": "call_tool", "tool": "keyway/approve", "arguments": "{}"}),
        json!({"op": "call_tool", "tool": "approve", "arguments": "{}"}),
    ] {
        let arguments = json!({ "request": request.to_string() });
        host.call("probe/ask", arguments).await.unwrap_err();
    }
    for tool in ["approve", "keyway/approve", "host/run", "builtin/approve"] {
        host.call(tool, json!({"plugin": "pending"}))
            .await
            .unwrap_err();
    }
    assert_eq!(host.catalog().entries, before.entries);
    host.run(Operation::Propose {
        source: "./pending".to_owned(),
        why: "please".to_owned(),
        by: AgentId::parse("triage").unwrap(),
    })
    .await
    .unwrap();
    assert_eq!(authority(&host), Authority::PendingApproval);
}

#[tokio::test]
async fn s_d9_control_an_approval_without_a_pin_holds_for_whatever_is_there() {
    let packages = TempPackages::new();
    let (host, _) = waiting(&packages).await;
    let looked_at = operation(approve());
    let second = change(&host, &packages).await;
    host.run(looked_at).await.unwrap();
    let entry = host.catalog().entry(&id()).unwrap().clone();
    assert_eq!(entry.keyway.authority, Authority::Approved);
    assert_eq!(
        entry.keyway.declared.digest,
        Some(second),
        "bytes nobody looked at"
    );
}
