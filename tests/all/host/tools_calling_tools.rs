//! Tools that call tools: through the gate like anybody, with no more power than both have.

use std::borrow::Cow;

use keyway_host::audit::AuditEvent;
use keyway_host::limits::Limits;
use keyway_plugin_api::{
    Args, DenialReason, FsWrite, Plugin, Register, RegisterError, ToolError, ToolInput, Tools,
    async_trait, tool,
};
use keyway_test_support::{TestHost, assert_denied, assert_effect_denied};
use serde_json::{Value, json};

use super::made::{Made, assert_recorded};

#[derive(ToolInput)]
struct Relayed {
    /// The tool to call.
    tool: String,
}

/// Calls another tool without arguments and gives its result back.
#[tool(effect = read)]
async fn relay(Args(input): Args<Relayed>, tools: Tools) -> Result<String, ToolError> {
    tools.call_json(input.tool, "{}").await
}

#[derive(ToolInput)]
struct Countdown {
    /// How often to call itself.
    left: u32,
}

/// Calls itself until nothing is left.
#[tool(effect = read)]
async fn again(Args(input): Args<Countdown>, tools: Tools) -> Result<String, ToolError> {
    match input.left.checked_sub(1) {
        None => Ok("down".to_owned()),
        Some(left) => tools.call("relay/again", &json!({ "left": left })).await,
    }
}

/// Writes one file.
#[tool(effect = write)]
async fn note(fs: FsWrite) -> Result<String, ToolError> {
    fs.write("notes/a.md", "written").await?;
    Ok("written".to_owned())
}

/// A plugin with the three tools above, under any name, asking for anything.
struct Crew(&'static str, Value);

#[async_trait]
impl Plugin for Crew {
    fn manifest(&self) -> Cow<'static, str> {
        json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": self.0,
            "version": "0.1.0",
            "extensions": { "dev.keyway": {
                "api": ">=0.1, <0.2",
                "runtime": { "kind": "linked" },
                "capabilities": self.1,
                "contributes": { "tools": ["relay", "again", "note"] },
            } },
        })
        .to_string()
        .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Relay)?.tool(Again)?.tool(Note)?;
        Ok(())
    }
}

fn may_call(tools: &[&str]) -> Value {
    json!({ "kind": "tool", "tools": tools })
}

fn may_write(folder: &str) -> Value {
    json!({ "kind": "filesystem", "write": [folder] })
}

/// A host with `relay`, which asks for `asks`, and `pen`, which may write.
async fn host(asks: Value) -> TestHost {
    let host = TestHost::builder()
        .configure(|host| {
            host.limits(Limits {
                call_depth: 3,
                ..Limits::default()
            })
        })
        .plugin(Crew("relay", asks))
        .plugin(Crew("pen", json!([may_write("./notes")])))
        .plugin(Made::with_tools("other", &["ping"]))
        .start()
        .await;
    assert_eq!(host.report().failures().count(), 0, "{:#?}", host.report());
    host
}

async fn relayed(host: &TestHost, tool: &str) -> Result<Value, keyway_host::CallError> {
    host.call("relay/relay", json!({ "tool": tool })).await
}

#[tokio::test]
async fn l10_a_tool_of_another_plugin_needs_a_grant_that_names_it() {
    // What the plugin may call; what its tool calls; what the gate says.
    for (granted, tool, verdict) in [
        (vec!["other/ping"], "other/ping", Ok(())),
        (vec!["other/*"], "other/ping", Ok(())),
        (
            vec!["pen/*"],
            "other/ping",
            Err(DenialReason::OutsideConstraint),
        ),
        (
            vec!["other/pong"],
            "other/ping",
            Err(DenialReason::OutsideConstraint),
        ),
        // A bare name is for models; a plugin says whose tool it means.
        (
            vec!["other/*"],
            "ping",
            Err(DenialReason::OutsideConstraint),
        ),
        (
            vec!["other/*"],
            "other/PING",
            Err(DenialReason::OutsideConstraint),
        ),
        (
            vec!["other/*"],
            "other/../pen/note",
            Err(DenialReason::OutsideConstraint),
        ),
    ] {
        let host = host(json!([may_call(&granted)])).await;
        let result = relayed(&host, tool).await;
        match verdict {
            Ok(()) => assert_eq!(result.unwrap(), json!("{}"), "{granted:?} {tool}"),
            Err(_) if tool == "other/PING" => {
                let error = result.unwrap_err();
                assert_eq!(error.code(), "NOT_FOUND", "{error}");
            }
            Err(reason) => {
                let asked = format!("tool:{tool}");
                assert_denied(&result, reason, &asked);
                assert_effect_denied(&host, reason, &asked);
            }
        }
    }
}

#[tokio::test]
async fn l10_a_plugin_that_does_not_ask_to_call_tools_cannot() {
    let host = host(json!([])).await;
    let error = relayed(&host, "other/ping").await.unwrap_err();
    assert_eq!(error.denial().unwrap().reason, DenialReason::NotDeclared);
    let ran = |event: &AuditEvent| matches!(event, AuditEvent::ToolCalled { outcome, .. } if outcome == "OK");
    assert!(!host.audit_events().iter().any(ran));
}

#[tokio::test]
async fn l10_a_grant_taken_back_counts_at_once() {
    let host = host(json!([may_call(&["other/ping"]), may_call(&["pen/note"])])).await;
    relayed(&host, "other/ping").await.unwrap();
    host.revoke_grant("tool:other/ping").await;
    relayed(&host, "other/ping").await.unwrap_err();
}

#[tokio::test]
async fn l10_a_call_made_by_a_plugin_is_recorded_as_its_own() {
    let host = host(json!([may_call(&["other/ping"])])).await;
    relayed(&host, "other/ping").await.unwrap();
    assert_recorded(&host, "inner call", |event| {
        matches!(event, AuditEvent::ToolCalled { tool, caller, outcome, .. }
            if **tool == *"other/ping" && caller.ends_with("via relay") && outcome == "OK")
    });
}

#[tokio::test]
async fn l10_tools_call_tools_only_so_deep() {
    let host = host(json!([may_call(&["relay/again"])])).await;
    // The limit of this host is 3.
    for (left, works) in [(0, true), (3, true), (4, false), (50, false)] {
        let result = host.call("relay/again", json!({ "left": left })).await;
        assert_eq!(result.is_ok(), works, "{left}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.to_string(), "tools call tools 3 deep already");
        }
    }
}

#[tokio::test]
async fn l10_a_tool_cannot_do_through_another_what_it_may_not_do_itself() {
    let both = || may_call(&["pen/note"]);
    // What the calling plugin holds beside the right to call `pen/note`; whether the file is written.
    for (asks, works) in [
        (json!([both(), may_write("./notes")]), true),
        (json!([both(), may_write("./notes/a.md")]), true),
        (json!([both()]), false),
        (json!([both(), may_write("./drafts")]), false),
        (
            json!([both(), { "kind": "filesystem", "read": ["./notes"] }]),
            false,
        ),
    ] {
        let host = host(asks.clone()).await;
        let result = relayed(&host, "pen/note").await;
        assert_eq!(result.is_ok(), works, "{asks}: {result:?}");
        let written = host.effects().file("notes/a.md");
        assert_eq!(written.is_some(), works, "{asks}");
        if let Err(error) = result {
            assert!(error.denial().is_some(), "{asks}: {error:?}");
        }
        // The control: `pen` may do it by itself.
        host.call("pen/note", json!({})).await.unwrap();
        assert!(host.effects().file("notes/a.md").is_some());
    }
}
