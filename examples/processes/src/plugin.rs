//! The Rust plugin: the same source could be linked.

use std::borrow::Cow;
use std::time::Duration;

use keyway_plugin_api::{Args, Plugin, Register, RegisterError, ToolInput, tool};

/// A text.
#[derive(ToolInput)]
struct Text {
    /// The text.
    text: String,
}

/// Reverses a text.
#[tool(effect = read, idempotent)]
async fn reverse(text: Args<Text>) -> String {
    text.text.chars().rev().collect()
}

/// Reverses a text, slowly.
#[tool(effect = read)]
async fn ponder(text: Args<Text>) -> String {
    tokio::time::sleep(Duration::from_secs(2)).await;
    text.0.text.chars().rev().collect()
}

/// Works on words.
pub(crate) struct Words;

/// The manifest, for the package too.
pub(crate) const MANIFEST: &str = r#"{
  "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
  "name": "rust-words",
  "version": "1.0.0",
  "extensions": {
    "dev.keyway": {
      "schemaVersion": 1,
      "api": ">=0.1, <0.2",
      "runtime": { "kind": "process", "command": "./bin/words" },
      "contributes": { "tools": ["ponder", "reverse"] }
    }
  }
}
"#;

impl Plugin for Words {
    fn manifest(&self) -> Cow<'static, str> {
        MANIFEST.into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Ponder)?.tool(Reverse)?;
        Ok(())
    }
}
