//! Plugins and tools made on the spot, so that a table can say what is wrong with them.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_host::audit::AuditEvent;
use keyway_plugin_api::{
    Arguments, CallCx, Effect, HookAuthority, HookPoint, Plugin, Register, RegisterError, Tool,
    ToolDescriptor, ToolError, ToolName, ToolOutput, async_trait,
};
use keyway_test_support::TestHost;
use serde_json::{Value, json};

type Registering = Arc<dyn Fn(&mut Register<'_>) -> Result<(), RegisterError> + Send + Sync>;

/// A plugin whose manifest and `register` a test writes.
#[derive(Clone)]
pub(super) struct Made {
    extension: Value,
    name: &'static str,
    register: Registering,
}

impl Made {
    /// Makes a plugin that declares nothing and registers nothing.
    pub(super) fn new(name: &'static str) -> Self {
        let extension = json!({
            "api": ">=0.1, <0.2",
            "runtime": { "kind": "linked" },
            "contributes": {},
        });
        Self {
            extension,
            name,
            register: Arc::new(|_| Ok(())),
        }
    }

    /// Makes a plugin with working tools of these names.
    pub(super) fn with_tools(name: &'static str, tools: &[&'static str]) -> Self {
        let (declared, tools) = (json!(tools), tools.to_vec());
        Self::new(name).declares(declared).registers(move |ctx| {
            for tool in &tools {
                ctx.tool(Plain::new(tool))?;
            }
            Ok(())
        })
    }

    /// Makes a plugin with one hook.
    pub(super) fn with_hook<H: keyway_plugin_api::Hook + Clone>(
        name: &'static str,
        point: HookPoint,
        authority: HookAuthority,
        hook: H,
    ) -> Self {
        Self::new(name)
            .declares_hooks(&[point])
            .registers(move |ctx| ctx.hook(point, authority, hook.clone()).map(drop))
    }

    /// Declares tools, as `contributes.tools` lists them.
    pub(super) fn declares(mut self, tools: Value) -> Self {
        self.extension["contributes"]["tools"] = tools;
        self
    }

    /// Declares hooks.
    pub(super) fn declares_hooks(mut self, points: &[HookPoint]) -> Self {
        self.extension["contributes"]["hooks"] = json!(points);
        self
    }

    /// Says what `register` does.
    pub(super) fn registers(
        mut self,
        register: impl Fn(&mut Register<'_>) -> Result<(), RegisterError> + Send + Sync + 'static,
    ) -> Self {
        self.register = Arc::new(register);
        self
    }
}

#[async_trait]
impl Plugin for Made {
    fn manifest(&self) -> Cow<'static, str> {
        json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": self.name,
            "version": "0.1.0",
            "extensions": { "dev.keyway": self.extension },
        })
        .to_string()
        .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        (self.register)(ctx)
    }
}

/// A tool that gives its arguments back, described as a test likes.
pub(super) struct Plain(pub(super) ToolDescriptor);

impl Plain {
    /// Makes a reading tool that takes any object.
    pub(super) fn new(name: &str) -> Self {
        let schema = json!({ "type": "object" });
        Self::described(name, "Gives its arguments back.", schema)
    }

    /// Makes a reading tool with a description and an input schema.
    pub(super) fn described(name: &str, description: &str, schema: Value) -> Self {
        let name = ToolName::parse(name).unwrap();
        Self(ToolDescriptor::new(name, description, Effect::Read, schema))
    }
}

#[async_trait]
impl Tool for Plain {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }

    async fn call(&self, arguments: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        ToolOutput::json(&arguments.parse::<Value>()?)
    }
}

/// Asserts that the trail has an event like this.
#[track_caller]
pub(super) fn assert_recorded(host: &TestHost, what: &str, is_it: impl Fn(&AuditEvent) -> bool) {
    let events = host.audit_events();
    assert!(events.iter().any(is_it), "no {what} in {events:#?}");
}
