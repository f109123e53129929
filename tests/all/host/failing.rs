//! Plugins that misbehave on their way in: nothing of them stays, and nobody else notices.

use std::time::Duration;

use keyway_host::PluginStatus;
use keyway_host::audit::AuditEvent;
use keyway_host::limits::Limits;
use keyway_plugin_api::{Effect, HookAuthority, HookPoint};
use keyway_test_support::TestHost;
use serde_json::json;

use super::guest::{Act, Guest, descriptor, guest};
use super::hooks::Says;
use super::{id, status};

fn impatient() -> Limits {
    Limits {
        // Long enough for a panic with a backtrace on a busy machine.
        start: Duration::from_secs(3),
        ..Limits::default()
    }
}

/// Starts a host with a plugin that works and one that may not.
async fn beside_a_good_one(bad: &Guest) -> TestHost {
    let host = TestHost::builder()
        .plugin(guest("good").tool("list"))
        .plugin(bad.clone())
        .configure(|host| host.limits(impatient()))
        .start()
        .await;
    let answer = host.call("good/list", json!({})).await.unwrap();
    assert_eq!(answer, json!("good list"));
    host
}

/// Two tools and a hook that would block every call.
fn laden() -> Guest {
    let point = HookPoint::PreToolCall;
    guest("bad")
        .tool("one")
        .tool("two")
        .hook(point, HookAuthority::Gate, Says::Block)
}

#[tokio::test]
async fn r04_whatever_register_does_nothing_of_a_failed_plugin_is_left() {
    for (bad, code, stage) in [
        (
            laden().on_register(Act::Panics),
            "PLUGIN_PANICKED",
            "register",
        ),
        (
            laden().on_register(Act::Hangs),
            "START_TIMED_OUT",
            "register",
        ),
        (
            laden().on_register(Act::Fails),
            "REGISTER_FAILED",
            "register",
        ),
        (
            laden().undeclared_tool("three"),
            "UNDECLARED_CONTRIBUTION",
            "register",
        ),
        (laden().on_start(Act::Panics), "PLUGIN_PANICKED", "start"),
        (laden().on_start(Act::Hangs), "START_TIMED_OUT", "start"),
        (laden().on_start(Act::Fails), "START_FAILED", "start"),
    ] {
        let host = beside_a_good_one(&bad).await;
        let PluginStatus::Failed {
            code: said,
            stage: at,
            ..
        } = status(&host, "bad")
        else {
            panic!("{code}: {:#?}", host.report());
        };
        assert_eq!((said, at.as_str()), (code, stage));
        assert!(
            host.host().registry().tools_of(&id("bad")).is_empty(),
            "{code}"
        );
        host.call("bad/one", json!({})).await.unwrap_err();
        assert_eq!(
            bad.seen().starts_and_stops().1,
            0,
            "{code}: stopped without having started"
        );
        let failed = host.audit_events().into_iter().filter(|event| {
            matches!(event, AuditEvent::PluginFailed { plugin, .. } if plugin.as_str() == "bad")
        });
        assert_eq!(failed.count(), 1, "{code}");
        // What the operator wants is not edited by a failure.
        assert!(host.catalog().entry(&id("bad")).unwrap().enabled, "{code}");
    }
}

/// The control: the same plugin, told to work, is there with its tools and its hook.
#[tokio::test]
async fn r04_control_the_same_plugin_that_works_is_registered() {
    let host = TestHost::builder().plugin(laden()).start().await;
    assert!(matches!(
        status(&host, "bad"),
        PluginStatus::Running { tools: 2, .. }
    ));
    let error = host.call("bad/one", json!({})).await.unwrap_err();
    assert_eq!(error.code(), "HOOK_BLOCKED");
}

#[tokio::test]
async fn r12_what_is_declared_and_not_registered_is_never_running() {
    let point = HookPoint::SessionStart;
    let without_hook = guest("bad")
        .tool("one")
        .with("contributes", json!({"tools": ["one"], "hooks": [point]}));
    for (bad, missing) in [
        (guest("bad").tool("one").missing_tool("two"), "tool two"),
        (without_hook, "hook session_start"),
    ] {
        let host = beside_a_good_one(&bad).await;
        let PluginStatus::Failed { code, reason, .. } = status(&host, "bad") else {
            panic!("{missing}: {:#?}", host.report());
        };
        assert_eq!(code, "CONTRIBUTIONS_INCOMPLETE");
        assert!(reason.contains(missing), "{reason}");
        assert!(host.host().registry().tools_of(&id("bad")).is_empty());
        assert_eq!(
            bad.seen().starts_and_stops(),
            (1, 1),
            "what was started is stopped"
        );
    }
}

#[tokio::test]
async fn r11_a_bad_descriptor_is_kept_out_and_its_siblings_are_listed() {
    let with_schema = |name: &str, schema| {
        let mut descriptor = descriptor(name, Effect::Read, "Does something.");
        descriptor.input_schema = schema;
        descriptor
    };
    let cycle = json!({
        "type": "object",
        "properties": { "x": { "$ref": "#/$defs/a" } },
        "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } },
    });
    for (bad, says) in [
        (descriptor("bad", Effect::Read, ""), "description"),
        (
            descriptor("bad", Effect::Read, &"x".repeat(5000)),
            "description",
        ),
        (
            descriptor("bad", Effect::Read, "Adds\u{202e}sdda."),
            "description",
        ),
        (with_schema("bad", cycle), "schema"),
        (with_schema("bad", json!({"type": "array"})), "schema"),
        (
            with_schema("bad", json!({"type": "object", "properties": 1})),
            "schema",
        ),
    ] {
        let plugin = guest("notes").tool("find").described_tool(bad).tool("list");
        let host = TestHost::builder().plugin(plugin).start().await;
        let outcome = host.report().plugin("notes").unwrap();
        assert!(
            matches!(outcome.status, PluginStatus::Running { tools: 2, .. }),
            "{outcome:#?}"
        );
        let [kept_out] = &outcome.quarantined[..] else {
            panic!("{outcome:#?}");
        };
        assert_eq!(kept_out.tool.to_string(), "notes/bad");
        assert!(kept_out.reason.contains(says), "{}", kept_out.reason);
        let listed: Vec<_> = host
            .view()
            .list()
            .tools
            .iter()
            .map(|t| t.id.clone())
            .collect();
        assert_eq!(listed, ["notes/find", "notes/list"]);
        assert!(host.audit_events().iter().any(|event| matches!(
            event,
            AuditEvent::ToolQuarantined { tool, .. } if &**tool == "bad"
        )));
    }
}
