//! Names: who keeps one, and what an optional tool needs to be seen.

use keyway_host::audit::AuditEvent;
use keyway_host::catalog::{Operation, RuleTarget};
use keyway_host::registry::ClashRule;
use keyway_host::scope::Scope;
use keyway_plugin_api::{Arguments, CallCx, DenialReason, Effect, Tool, ToolDescriptor, ToolError};
use keyway_plugin_api::{ToolOutput, async_trait};
use keyway_test_support::{TestHost, assert_denied};
use serde_json::json;

use super::guest::{descriptor, guest};
use super::{id, operator};

/// A tool of the host's own.
struct Builtin(ToolDescriptor);

fn builtin(name: &str) -> Builtin {
    Builtin(descriptor(name, Effect::Read, "The host's own."))
}

#[async_trait]
impl Tool for Builtin {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }
    async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text("the host's own"))
    }
}

#[tokio::test]
async fn r01_a_tool_that_takes_a_builtins_name_is_refused_and_its_siblings_stay() {
    for taken in [
        "search",
        "Search",
        "SEARCH",
        "seаrch".replace('а', "a").as_str(),
    ] {
        let host = TestHost::builder()
            .plugin(guest("notes").tool(taken).tool("find"))
            .configure(|host| host.tool(builtin("search")))
            .start()
            .await;
        let outcome = host.report().plugin("notes").unwrap();
        let [clash] = &outcome.clashes[..] else {
            panic!("{taken}: {outcome:#?}")
        };
        assert_eq!(
            (clash.winner.as_str(), clash.rule),
            ("search", ClashRule::BuiltinName)
        );
        assert_eq!(clash.loser.to_string(), format!("notes/{taken}"));
        assert!(host.audit_events().iter().any(|event| matches!(
            event,
            AuditEvent::NameClash { winner, loser, .. }
                if &**winner == "search" && **loser == format!("notes/{taken}")
        )));
        assert_eq!(
            host.call("search", json!({})).await.unwrap(),
            json!("the host's own")
        );
        assert_eq!(
            host.call("find", json!({})).await.unwrap(),
            json!("notes find")
        );
        host.call(&format!("notes/{taken}"), json!({}))
            .await
            .unwrap_err();
    }
}

/// The control: where no built-in has the name, the same plugin answers under it.
#[tokio::test]
async fn r01_control_without_the_builtin_the_plugin_has_the_name() {
    let host = TestHost::with(guest("notes").tool("search").tool("find")).await;
    assert_eq!(
        host.call("search", json!({})).await.unwrap(),
        json!("notes search")
    );
}

#[tokio::test]
async fn r02_a_plugin_called_like_a_builtin_gives_no_tool() {
    let host = TestHost::builder()
        .plugin(guest("search").tool("one").tool("two"))
        .configure(|host| host.tool(builtin("search")))
        .start()
        .await;
    let clashes = &host.report().plugin("search").unwrap().clashes;
    let rules: Vec<_> = clashes.iter().map(|clash| clash.rule).collect();
    assert_eq!(rules, [ClashRule::PluginNamedLikeBuiltin; 2]);
    assert!(host.host().registry().tools_of(&id("search")).is_empty());
    assert_eq!(
        host.call("search", json!({})).await.unwrap(),
        json!("the host's own")
    );
}

#[tokio::test]
async fn r03_an_optional_tool_is_hidden_until_a_rule_shows_it_and_a_no_wins() {
    let tool = || RuleTarget::Tool("notes/extra".parse().unwrap());
    let plugin = || RuleTarget::Plugin(id("notes"));
    let group = |name: &str| RuleTarget::Group(name.to_owned());
    for (rules, is_shown) in [
        (vec![], false),
        (vec![(tool(), true)], true),
        (vec![(plugin(), true)], true),
        (vec![(group("plugins"), true)], true),
        (vec![(group("read"), true)], true),
        (vec![(group("trusted"), true)], true),
        (vec![(group("write"), true)], false),
        (vec![(RuleTarget::Plugin(id("other")), true)], false),
        (vec![(tool(), true), (plugin(), false)], false),
        (vec![(tool(), true), (group("plugins"), false)], false),
        (vec![(plugin(), true), (tool(), false)], false),
    ] {
        let host = TestHost::builder()
            .plugin(guest("notes").tool("list").optional_tool("extra"))
            .plugin(guest("other").optional_tool("extra"))
            .start()
            .await;
        for (target, allow) in rules.clone() {
            let (scope, by) = (Scope::everywhere(), operator("ada"));
            let rule = Operation::SetToolRule {
                target,
                allow,
                scope,
                by,
            };
            host.run(rule).await.unwrap();
        }
        let listed = host.view().list();
        let is_listed = listed.tools.iter().any(|tool| tool.id == "notes/extra");
        assert_eq!(is_listed, is_shown, "{rules:?}");
        let result = host.call("notes/extra", json!({})).await;
        match is_shown {
            true => assert_eq!(result.unwrap(), json!("notes extra")),
            false => assert_denied(&result, DenialReason::NotAllowed, "notes/extra"),
        }
        host.call("notes/list", json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn r03_a_rule_holds_where_it_says_and_until_it_is_taken_back() {
    let host = TestHost::builder()
        .agent("acme/support/triage")
        .plugin(guest("notes").optional_tool("extra"))
        .start()
        .await;
    let target = || RuleTarget::Plugin(id("notes"));
    for (scope, is_shown) in [("acme/sales", false), ("acme/support", true)] {
        let scope: Scope = scope.parse().unwrap();
        let by = operator("ada");
        let (set, forget) = (
            Operation::SetToolRule {
                target: target(),
                allow: true,
                scope: scope.clone(),
                by: by.clone(),
            },
            Operation::ForgetToolRule {
                target: target(),
                scope,
                by,
            },
        );
        host.run(set).await.unwrap();
        assert_eq!(host.call("extra", json!({})).await.is_ok(), is_shown);
        host.run(forget).await.unwrap();
        host.call("extra", json!({})).await.unwrap_err();
    }
}
