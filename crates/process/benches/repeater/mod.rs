//! The plugin that the bench calls and that the example counts: it says what it was told.

use std::borrow::Cow;

use keyway_plugin_api::{Args, Plugin, Register, RegisterError, ToolInput, tool};

/// What the plugin says of itself.
pub(crate) const MANIFEST: &str = r#"{
    "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
    "name": "repeater", "version": "1.0.0",
    "extensions": { "dev.keyway": {
        "schemaVersion": 1, "api": ">=0.1, <0.2",
        "runtime": { "kind": "process", "command": "./program" },
        "contributes": { "tools": ["echo"] }
    } }
}"#;

/// Something to say.
#[derive(ToolInput)]
struct Words {
    /// The words.
    text: String,
}

/// Says what it was told.
#[tool(effect = read)]
async fn echo(words: Args<Words>) -> String {
    words.0.text
}

pub(crate) struct Repeater;

impl Plugin for Repeater {
    fn manifest(&self) -> Cow<'static, str> {
        MANIFEST.into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Echo)?;
        Ok(())
    }
}

/// Arguments of 100 bytes.
pub(crate) fn arguments() -> String {
    format!(r#"{{"text":"{}"}}"#, "x".repeat(89))
}
