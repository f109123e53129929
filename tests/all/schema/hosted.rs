//! A tool that has only its schema, called through a host: what the schema refuses never runs.

use std::borrow::Cow;

use keyway_host::approval::ApproveAll;
use keyway_host::{CallError, Host, Outcome};
use keyway_plugin_api::{
    Arguments, CallCx, Effect, Plugin, Register, RegisterError, Tool, ToolDescriptor, ToolError,
    ToolName, ToolOutput, async_trait,
};
use serde_json::{Value, json};

/// Gives its arguments back as they came.
struct Echo(ToolDescriptor);

#[async_trait]
impl Tool for Echo {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }

    async fn call(&self, arguments: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(arguments.as_str()))
    }
}

struct Echoes(Value);

#[async_trait]
impl Plugin for Echoes {
    fn manifest(&self) -> Cow<'static, str> {
        r#"{
          "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
          "name": "echoes", "version": "0.1.0",
          "extensions": { "dev.keyway": {
            "api": ">=0.1, <0.2", "runtime": { "kind": "linked" },
            "contributes": { "tools": ["echo"] } } } }"#
            .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        let name = ToolName::parse("echo").unwrap();
        let tool = ToolDescriptor::new(name, "Echoes.", Effect::Read, self.0.clone());
        ctx.tool(Echo(tool))?;
        Ok(())
    }
}

async fn host(schema: Value) -> Host {
    let host = Host::builder("test", "1.0.0")
        .approver(ApproveAll)
        .plugin(Echoes(schema))
        .build()
        .unwrap();
    host.start().await;
    host
}

async fn call(host: &Host, arguments: &str) -> Result<Outcome, CallError> {
    let view = host.view("acme/support/triage".parse().unwrap());
    view.call("echoes/echo", arguments).await
}

#[tokio::test]
async fn s_e2_text_with_two_meanings_never_reaches_a_tool() {
    let schema = json!({"type": "object", "properties": {"path": {"enum": ["safe"]}}});
    let host = host(schema).await;
    assert!(call(&host, r#"{"path":"safe"}"#).await.is_ok());
    let refused = [
        r#"{"path":"/etc/passwd"}"#,
        r#"{"path":"/etc/passwd","path":"safe"}"#,
        r#"{"path":"/etc/passwd","p\u0061th":"safe"}"#,
    ];
    for arguments in refused {
        let error = call(&host, arguments).await.unwrap_err();
        assert!(
            matches!(error, CallError::BadArguments { .. }),
            "{arguments}: {error}"
        );
    }
    // The control: a parser that keeps the last member finds nothing wrong with them.
    let kept: Value = serde_json::from_str(refused[1]).unwrap();
    assert_eq!(kept, json!({"path": "safe"}));
}

#[tokio::test]
async fn s_e3_s_e4_a_tool_with_a_hostile_schema_is_kept_out() {
    let hostile = [
        json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}),
        json!({"type": "object", "properties": {"a": {"pattern": "(?=a)"}}}),
        json!({"type": "object", "oneOf": [{}]}),
    ];
    for schema in hostile {
        let host = host(schema.clone()).await;
        let error = call(&host, "{}").await.unwrap_err();
        assert!(
            matches!(error, CallError::UnknownTool { .. }),
            "{schema}: {error}"
        );
    }
}
