//! A plugin with one tool.

use std::borrow::Cow;

use keyway_plugin_api::{Args, Plugin, Register, RegisterError, ToolInput, tool};

/// Greets.
pub(crate) struct Hello;

impl Plugin for Hello {
    fn manifest(&self) -> Cow<'static, str> {
        include_str!("../plugin.json").into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Greet)?;
        Ok(())
    }
}

#[derive(ToolInput)]
struct Greeting {
    /// Whom to greet.
    name: String,
}

/// Greets somebody by name.
#[tool(effect = read)]
fn greet(Args(greeting): Args<Greeting>) -> String {
    format!("Hello, {}!", greeting.name)
}
