//! The Rust plugin as an executable; the same source could be linked.

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
struct Words;

impl Plugin for Words {
    fn manifest(&self) -> Cow<'static, str> {
        include_str!("../../rust-words/plugin.json").into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Ponder)?.tool(Reverse)?;
        Ok(())
    }
}

keyway_serve::main!(Words);
