//! A closure as a tool.

use std::fmt;

use async_trait::async_trait;
use keyway_plugin_api::{Arguments, CallCx, Tool, ToolDescriptor, ToolError, ToolOutput};
use serde_json::Value;

/// A tool that is a closure over JSON, for tools whose descriptions exist already.
///
/// The host holds the arguments to the description's schema before the closure runs.
///
/// ```
/// use keyway_host::Host;
/// use keyway_mcp::ClosureTool;
/// use keyway_plugin_api::serde_json::json;
/// use keyway_plugin_api::{Effect, ToolDescriptor, ToolName, ToolOutput};
///
/// let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
/// let double = ToolDescriptor::new(ToolName::parse("double")?, "Doubles a number.", Effect::Read, schema);
/// let double = ClosureTool::new(double, async |arguments, _| {
///     let a = arguments["a"].as_i64().unwrap_or_default();
///     Ok(ToolOutput::text((2 * a).to_string()))
/// });
/// let host = Host::builder("my-agent", "1.0.0").tool(double).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClosureTool<F> {
    descriptor: ToolDescriptor,
    run: F,
}

impl<F, Running> ClosureTool<F>
where
    F: Fn(Value, CallCx) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<ToolOutput, ToolError>> + Send,
{
    /// Joins a description with what runs.
    pub fn new(descriptor: ToolDescriptor, run: F) -> Self {
        Self { descriptor, run }
    }
}

#[async_trait]
impl<F, Running> Tool for ClosureTool<F>
where
    F: Fn(Value, CallCx) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<ToolOutput, ToolError>> + Send,
{
    fn descriptor(&self) -> &ToolDescriptor {
        &self.descriptor
    }

    async fn call(&self, arguments: Arguments<'_>, cx: &CallCx) -> Result<ToolOutput, ToolError> {
        let arguments: Value = arguments.parse()?;
        (self.run)(arguments, cx.clone()).await
    }
}

impl<F> fmt::Debug for ClosureTool<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClosureTool")
            .field(&self.descriptor.name)
            .finish()
    }
}
