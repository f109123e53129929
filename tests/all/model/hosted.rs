//! A view's tools for a model: what the caller may call, and nothing else.

use keyway_host::Host;
use keyway_host::approval::ApproveAll;
use keyway_host::model::IntoTold;
use keyway_plugin_api::{DenialReason, PluginId};
use serde_json::json;

use super::APIS;
use crate::host::plugins::Sums;

async fn started() -> Host {
    let host = Host::builder("test", "1.0.0")
        .approver(ApproveAll)
        .plugin(Sums::default())
        .build()
        .unwrap();
    host.start().await;
    host
}

#[tokio::test]
async fn a_call_goes_from_the_model_through_the_view_and_back() {
    let host = started().await;
    let view = host.view("acme/support/triage".parse().unwrap());
    for api in APIS {
        let tools = view.tools_for(api);
        let names: Vec<&str> = tools.tools().iter().map(|tool| &tool.name[..]).collect();
        let listing = view.list();
        let ids = listing.tools.iter().map(|tool| tool.id.replace('/', "__"));
        assert_eq!(names, Vec::from_iter(ids), "{api:?}");
        let call = tools.call(Some("c1".to_owned()), "sums__add", r#"{"a":1,"b":2}"#);
        let told = view.call(&call.tool, call.arguments.as_str()).await.told();
        assert_eq!(told.to_value(), json!({"sum": 3}));
        assert!(tools.answer(&call, &told).to_string().contains("c1"));
    }
}

#[tokio::test]
async fn what_was_not_offered_is_answered_as_unknown() {
    let host = started().await;
    let view = host.view("acme/support/triage".parse().unwrap());
    for api in APIS {
        let tools = view.tools_for(api);
        let call = tools.call(None, "sums__drop_table", "{}");
        let told = view.call(&call.tool, call.arguments.as_str()).await.told();
        assert!(told.is_error);
        assert_eq!(told.to_value()["error"]["code"], "UNKNOWN_TOOL", "{api:?}");
    }
}

#[tokio::test]
async fn a_revoked_plugin_leaves_the_tools_and_its_calls_are_refused() {
    let host = started().await;
    let view = host.view("acme/support/triage".parse().unwrap());
    let before = view.tools_for(APIS[0]);
    assert!(before.tool("sums__add").is_some());
    let operator = keyway_host::operator::OperatorId::parse("olga").unwrap();
    let plugin = PluginId::parse("sums").unwrap();
    host.run(&keyway_host::catalog::Operation::Revoke {
        plugin,
        by: operator,
        reason: "test".to_owned(),
    })
    .await
    .unwrap();
    let after = view.tools_for(APIS[0]);
    assert!(after.tool("sums__add").is_none());
    // What was offered before is refused at the call.
    let call = before.call(None, "sums__add", r#"{"a":1,"b":2}"#);
    let result = view.call(&call.tool, call.arguments.as_str()).await;
    assert!(result.told().is_error);
    let reason = result.unwrap_err().denial().map(|denial| denial.reason);
    assert!(matches!(reason, None | Some(DenialReason::Revoked)));
}
