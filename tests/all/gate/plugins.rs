//! A plugin of any name with tools of any names.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_plugin_api::{
    Arguments, CallCx, Effect, Plugin, Register, RegisterError, Tool, ToolDescriptor, ToolError,
    ToolName, ToolOutput, async_trait,
};
use serde_json::json;

/// What a tool does when its call begins.
pub(super) type OnCall = Arc<dyn Fn() + Send + Sync>;

/// A tool that says its owner.
pub(super) struct Says {
    descriptor: ToolDescriptor,
    owner: String,
    on_call: OnCall,
}

impl Says {
    #[track_caller]
    pub(super) fn new(owner: &str, name: &str, on_call: OnCall) -> Self {
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let name = ToolName::parse(name).unwrap();
        Self {
            descriptor: ToolDescriptor::new(name, "Says who it is.", Effect::Read, schema),
            owner: owner.to_owned(),
            on_call,
        }
    }
}

#[async_trait]
impl Tool for Says {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.descriptor
    }

    async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        (self.on_call)();
        Ok(ToolOutput::text(self.owner.clone()))
    }
}

/// A linked plugin whose tools all say the plugin's name.
pub(super) struct Named {
    name: String,
    tools: Vec<String>,
    on_call: OnCall,
}

impl Named {
    pub(super) fn new(name: &str, tools: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            name: name.to_owned(),
            tools: tools.into_iter().map(Into::into).collect(),
            on_call: Arc::new(|| ()),
        }
    }

    pub(super) fn on_call(mut self, on_call: OnCall) -> Self {
        self.on_call = on_call;
        self
    }
}

impl Plugin for Named {
    fn manifest(&self) -> Cow<'static, str> {
        let manifest = json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": self.name, "version": "0.1.0",
            "extensions": { "dev.keyway": {
                "schemaVersion": 1, "api": ">=0.1, <0.2",
                "runtime": { "kind": "linked" },
                "contributes": { "tools": self.tools },
            } },
        });
        manifest.to_string().into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        for tool in &self.tools {
            ctx.tool(Says::new(&self.name, tool, Arc::clone(&self.on_call)))?;
        }
        Ok(())
    }
}
