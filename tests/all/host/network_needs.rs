//! What a tool that talks to hosts needs from the gate, before anything could be sent.

use keyway_host::audit::AuditEvent;
use keyway_plugin_api::{DenialReason, Effect, Need, ToolDescriptor, ToolName};
use keyway_test_support::TestHost;
use serde_json::json;

use super::guest::guest;

fn asking(name: &str, host: &str) -> ToolDescriptor {
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let name = ToolName::parse(name).unwrap();
    ToolDescriptor::new(name, "Asks a host.", Effect::Read, schema).with_needs([Need::Network {
        hosts: vec![host.to_owned()],
    }])
}

#[tokio::test]
async fn l06_one_host_is_granted_and_no_other_and_no_look_alike() {
    let asker = guest("asker")
        .asks(json!([{"kind": "network", "hosts": ["api.github.com"]}]))
        .described_tool(asking("granted", "api.github.com"))
        .described_tool(asking("other", "api.gitlab.com"))
        .described_tool(asking("look_alike", "api.github.com.evil.test"))
        .described_tool(asking("parent", "github.com"));
    let host = TestHost::with(asker).await;
    host.call("asker/granted", json!({})).await.unwrap();
    for tool in ["asker/other", "asker/look_alike", "asker/parent"] {
        let error = host.call(tool, json!({})).await.unwrap_err();
        assert_eq!(
            error.denial().unwrap().reason,
            DenialReason::NotDeclared,
            "{tool}: {error}"
        );
        let recorded = host.audit_events().iter().any(|event| {
            matches!(event, AuditEvent::CallDenied { tool: denied, .. } if &**denied == tool)
        });
        assert!(recorded, "{tool}");
    }
}
