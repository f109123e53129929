//! Who is told that what can be called has changed, and who can change it.

use std::collections::BTreeSet;

use keyway_host::catalog::{Approval, Operation, RuleTarget};
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_plugin_api::AgentId;
use keyway_test_support::{CodeRuntime, ScriptedApprover, TempPackages, TestHost};
use serde_json::json;

use super::guest::{Act, Guest, guest};
use super::{id, operator, refused};

struct Stage {
    host: TestHost,
    notes: Guest,
    packages: TempPackages,
}

/// `notes` on disk and running, `waiting` linked and not approved.
async fn stage() -> Stage {
    let notes = guest("notes").tool("list").optional_tool("extra").process();
    let packages = TempPackages::new();
    packages.write("notes", &notes.text());
    let runtime = CodeRuntime::new().with("notes", notes.clone());
    let folder = packages.path().to_owned();
    let approver = ScriptedApprover::approving().by(|request| {
        let is_waiting = format!("{request:?}").contains("waiting");
        is_waiting.then_some(keyway_host::approval::Decision::Later)
    });
    let host = TestHost::builder()
        .approver(approver)
        .plugin(guest("waiting").tool("one").tool("two"))
        .configure(|host| host.runtime(runtime).plugins_dir(folder, Trust::Trusted))
        .start()
        .await;
    host.call("notes/list", json!({})).await.unwrap();
    Stage {
        host,
        notes,
        packages,
    }
}

#[tokio::test]
async fn r06_starting_tells_once_however_many_plugins_there_are() {
    let host = TestHost::builder()
        .plugin(guest("alpha").tool("one"))
        .plugin(guest("beta").tool("one"))
        .build();
    let changes = host.host().changes();
    let before = *changes.borrow();
    host.host().start().await;
    assert_eq!(*changes.borrow() - before, 1);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of changes")]
async fn r06_each_change_tells_once_and_what_changes_nothing_never() {
    let Stage {
        host,
        notes,
        packages,
    } = stage().await;
    let by = || operator("ada");
    let plugin = || id("notes");
    let everywhere = Scope::everywhere;
    let extra = || RuleTarget::Tool("notes/extra".parse().unwrap());
    let rule = |allow| Operation::SetToolRule {
        target: extra(),
        allow,
        scope: everywhere(),
        by: by(),
    };
    let approve = Operation::Approve {
        plugin: id("waiting"),
        approval: Approval::by(by()),
    };
    let propose = Operation::Propose {
        source: "https://example.com/weather".into(),
        why: "the user asks about the weather".into(),
        by: AgentId::parse("triage").unwrap(),
    };
    let scope: Scope = "acme".parse().unwrap();
    let to_acme = Operation::SetScope {
        plugin: plugin(),
        scope,
        by: by(),
    };
    let to_all = Operation::SetScope {
        plugin: plugin(),
        scope: everywhere(),
        by: by(),
    };
    let changes = host.host().changes();
    for (operation, tells) in [
        (approve, 1),
        (
            Operation::Disable {
                plugin: plugin(),
                cascade: false,
            },
            1,
        ),
        (
            Operation::Disable {
                plugin: plugin(),
                cascade: false,
            },
            0,
        ),
        (Operation::Enable { plugin: plugin() }, 1),
        (Operation::Enable { plugin: plugin() }, 0),
        (rule(true), 1),
        (rule(false), 1),
        (to_acme, 1),
        (to_all, 1),
        (propose, 0),
        (Operation::Sweep, 0),
    ] {
        let before = *changes.borrow();
        let label = format!("{operation:?}");
        drop(host.run(operation).await);
        assert_eq!(*changes.borrow() - before, tells, "{label}");
    }

    let before = *changes.borrow();
    host.host().reload(&plugin()).await.unwrap();
    assert_eq!(*changes.borrow() - before, 1, "a reload");
    for act in [Act::Fails, Act::Panics] {
        notes.seen().start_next(act);
        let before = *changes.borrow();
        refused(host.host().reload(&plugin()).await, "RELOAD_FAILED");
        assert_eq!(*changes.borrow() - before, 0, "a failed reload");
    }
    packages.write("notes", "{");
    let before = *changes.borrow();
    refused(host.host().reload(&plugin()).await, "RELOAD_FAILED");
    assert_eq!(
        *changes.borrow() - before,
        0,
        "a reload of a broken package"
    );
    let before = *changes.borrow();
    host.call("notes/list", json!({})).await.unwrap();
    assert_eq!(*changes.borrow() - before, 0, "a call");
    host.revoke("notes").await;
    assert_eq!(*changes.borrow() - before, 1, "a revocation");
}

#[tokio::test]
async fn r06_an_agent_can_be_told_what_changed() {
    let Stage { host, .. } = stage().await;
    let view = host.view();
    let before = view.list();
    assert!(before.changes_since(&before).is_empty());
    let plugin = id("waiting");
    let approval = Approval::by(operator("ada"));
    host.run(Operation::Approve { plugin, approval })
        .await
        .unwrap();
    let after = view.list();
    assert_ne!(before.etag, after.etag);
    let change = after.changes_since(&before);
    assert_eq!(change.added, ["waiting/one", "waiting/two"]);
    assert!(change.removed.is_empty() && change.redefined.is_empty());
    host.disable("notes").await;
    let change = view.list().changes_since(&after);
    assert_eq!(change.removed, ["notes/list"]);
    assert!(change.added.is_empty());
}

#[tokio::test]
async fn r09_an_agent_can_propose_and_nothing_else() {
    let host = TestHost::builder()
        .agent("acme/support/triage")
        .start()
        .await;
    let id = host
        .view()
        .propose("https://example.com/weather", "weather")
        .await
        .unwrap();
    let state = host.catalog();
    let proposal = &state.keyway.proposals[&id];
    assert_eq!(proposal.by.as_str(), "triage");
    assert_eq!(proposal.source, "https://example.com/weather");
    assert!(state.entries.is_empty(), "a proposal installs nothing");
    // What an agent can name is what its view lists; none of it changes the catalog.
    for name in [
        "install",
        "plugin/install",
        "keyway/install",
        "approve",
        "catalog/grant",
    ] {
        let error = host.call(name, json!({"source": "x"})).await.unwrap_err();
        assert_eq!(error.code(), "UNKNOWN_TOOL", "{name}");
    }
    let kinds: BTreeSet<_> = host
        .audit_events()
        .iter()
        .filter_map(|event| {
            serde_json::to_value(event).unwrap()["operation"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(kinds, BTreeSet::from(["propose".to_owned()]));
}
