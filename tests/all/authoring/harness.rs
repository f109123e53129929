//! A host that answers effects from a table and remembers what was asked.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keyway_plugin_api::{
    Arguments, CallCx, CallInfo, EffectReply, EffectRequest, HostServices, PluginId, Tool,
    ToolError, ToolOutput,
};

type Answer = fn(&EffectRequest) -> Result<EffectReply, ToolError>;

/// Answers every effect with one function.
pub(super) struct FakeHost {
    answer: Answer,
    asked: Mutex<Vec<EffectRequest>>,
}

#[async_trait]
impl HostServices for FakeHost {
    async fn perform(
        &self,
        _: &CallInfo,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        let reply = (self.answer)(&request);
        self.asked.lock().unwrap().push(request);
        reply
    }
}

impl FakeHost {
    pub(super) fn new(answer: Answer) -> Arc<Self> {
        Arc::new(Self {
            answer,
            asked: Mutex::default(),
        })
    }

    pub(super) fn asked(&self) -> Vec<EffectRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// Calls a tool once, with a context of its own.
    pub(super) async fn call(
        self: &Arc<Self>,
        tool: &dyn Tool,
        arguments: &str,
    ) -> Result<ToolOutput, ToolError> {
        let plugin = PluginId::parse("authoring").unwrap();
        let tool_name = tool.descriptor().name.as_str().into();
        let info = CallInfo::new(1, plugin, tool_name, "acme/web/triage".into());
        let services: Arc<dyn HostServices> = Arc::<Self>::clone(self);
        let (cx, _guard) = CallCx::begin(info, services);
        tool.call(Arguments::new(arguments), &cx).await
    }
}

/// Calls a tool that asks its host for nothing.
pub(super) async fn call(tool: &dyn Tool, arguments: &str) -> Result<ToolOutput, ToolError> {
    FakeHost::new(|request| panic!("unexpected {request:?}"))
        .call(tool, arguments)
        .await
}
