//! Tools of the rmcp library as tools of a host.

#[path = "fixtures/calculator.rs"]
mod calculator;

use keyway_host::Host;
use keyway_host::scope::Scope;
use keyway_mcp::RmcpTools;
use keyway_plugin_api::Effect;
use serde_json::json;

use calculator::Calculator;

#[tokio::test]
async fn a_tool_router_becomes_tools_of_a_host() {
    let adapted = RmcpTools::of(Calculator::new()).await.unwrap();
    assert!(adapted.kept_out.is_empty());
    let mut builder = Host::builder("test-agent", "1.0.0");
    for tool in adapted.tools {
        builder = builder.tool(tool);
    }
    let host = builder.build().unwrap();
    host.start().await;
    let view = host.view(Scope::everywhere());
    assert_eq!(view.list().tools[0].descriptor().effect, Effect::Read);
    let sum = view.call("add", json!({"a": 2, "b": 3})).await.unwrap();
    assert_eq!(sum.output().unwrap().to_value(), "5");
    let wrong = view.call("add", json!({"a": "two"})).await.unwrap_err();
    assert_eq!(wrong.code(), "INVALID_ARGUMENTS");
}
