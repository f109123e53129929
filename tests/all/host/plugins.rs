//! Small plugins that the tests of the host run.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyway_plugin_api::{
    Args, FsWrite, Json, Plugin, Register, RegisterError, StartFailure, ToolError, ToolInput,
    ToolValue, async_trait, tool,
};

#[derive(ToolInput)]
pub(crate) struct Pair {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

#[derive(ToolValue)]
pub(crate) struct Sum {
    /// The sum.
    sum: i64,
}

/// Adds two numbers.
#[tool(effect = read, idempotent)]
fn add(Args(pair): Args<Pair>) -> Json<Sum> {
    Json(Sum {
        sum: pair.a + pair.b,
    })
}

#[derive(ToolInput)]
struct Text {
    /// The text.
    text: String,
}

/// Keeps a text in a file.
#[tool(effect = write)]
async fn keep(Args(input): Args<Text>, fs: FsWrite) -> Result<(), ToolError> {
    fs.write("notes/kept.md", input.text).await
}

/// Removes everything.
#[tool(effect = destructive)]
fn wipe() -> String {
    "wiped".to_owned()
}

/// What a [`Sums`] counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) starts: AtomicUsize,
    pub(crate) stops: AtomicUsize,
}

/// A plugin with three tools; counts how often it is started and stopped.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) counters: Arc<Counters>,
    pub(crate) fails_to_start: bool,
}

pub(crate) const SUMS: &str = r#"{
  "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
  "name": "sums", "version": "0.1.0",
  "extensions": { "dev.keyway": {
    "api": ">=0.1, <0.2",
    "runtime": { "kind": "linked" },
    "capabilities": [
      { "kind": "filesystem", "write": ["./notes"], "optional": true }
    ],
    "contributes": { "tools": ["add", "keep", "wipe"] } } } }"#;

#[async_trait]
impl Plugin for Sums {
    fn manifest(&self) -> Cow<'static, str> {
        SUMS.into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Add)?.tool(Keep)?.tool(Wipe)?;
        Ok(())
    }

    async fn start(&self) -> Result<(), StartFailure> {
        self.counters.starts.fetch_add(1, Ordering::SeqCst);
        if self.fails_to_start {
            Err(StartFailure("no luck today".to_owned()))
        } else {
            Ok(())
        }
    }

    async fn stop(&self) {
        self.counters.stops.fetch_add(1, Ordering::SeqCst);
    }
}
