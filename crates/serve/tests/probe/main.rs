//! The plugin that the tests start as a child. The same source could be linked.

use std::borrow::Cow;
use std::io::Write as _;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use keyway_plugin_api::{
    Args, CallCx, Hook, HookAuthority, HookEvent, HookPoint, HookVerdict, Json, Log, Plugin,
    Progress, Register, RegisterError, StartFailure, State, StateEntries, ToolError, ToolErrorKind,
    ToolInput, ToolValue, async_trait, tool,
};
use serde::Deserialize;

/// How long.
#[derive(ToolInput)]
struct Time {
    /// In milliseconds.
    #[serde(default)]
    ms: u64,
}

/// Something to say.
#[derive(ToolInput)]
struct Words {
    /// The words.
    #[serde(default)]
    words: String,
}

/// What was said.
#[derive(ToolValue)]
struct Said {
    /// The words.
    words: String,
}

/// Blocks its thread.
#[tool(effect = read)]
async fn block(time: Args<Time>) -> String {
    pause(time.ms);
    "blocked".to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a tool that blocks is what is tested"
)]
fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Panics.
#[tool(effect = read)]
#[expect(clippy::panic, reason = "a tool that panics is what is tested")]
async fn boom() -> String {
    panic!("boom {}", 7)
}

/// Counts its calls in the plugin's state.
#[tool(effect = write)]
async fn count(state: State, log: Log) -> Result<String, ToolError> {
    let n: u64 = state.get_json("count").await?.unwrap_or(0) + 1;
    state.put_json("count", &n).await?;
    log.info(format!("counted to {n}")).await;
    Ok(n.to_string())
}

/// Lists the descriptors that a program started by the plugin inherits.
#[tool(effect = read)]
async fn descriptors() -> Result<String, ToolError> {
    let listed = Command::new("/bin/sh")
        .args([
            "-c",
            "for fd in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$fd ] && echo $fd; done; :",
        ])
        .output()
        .map_err(|e| ToolError::internal(e.to_string()))?;
    Ok(String::from_utf8_lossy(&listed.stdout).into_owned())
}

/// Says what it was told.
#[tool(effect = read)]
async fn echo(words: Args<Words>) -> Json<Said> {
    let words = words.0.words;
    Json(Said { words })
}

/// Waits until nobody waits for it, or for some time.
#[tool(effect = read)]
async fn linger(cx: &CallCx, time: Args<Time>) -> Result<String, ToolError> {
    let rest = tokio::time::sleep(Duration::from_millis(time.ms));
    tokio::select! {
        () = cx.cancelled() => Err(ToolError::new(ToolErrorKind::Cancelled, "was cancelled")),
        () = rest => Ok("had time".to_owned()),
    }
}

/// Prints where it should not.
#[tool(effect = read)]
async fn print() -> String {
    let line = "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}";
    drop(writeln!(std::io::stdout(), "{line}"));
    drop(writeln!(std::io::stderr(), "{line}"));
    "printed".to_owned()
}

/// Tells how far it is.
#[tool(effect = read)]
async fn tell(progress: Progress) -> String {
    for done in 1..=3 {
        progress.report(done, Some(3), "telling").await;
    }
    "told".to_owned()
}

/// What the operator sets, to make the probe fail.
#[derive(Default, Deserialize)]
struct Settings {
    #[serde(default)]
    fail_register: bool,
}

struct NoDeletes;

#[async_trait]
impl Hook for NoDeletes {
    async fn run(&self, event: &HookEvent) -> HookVerdict {
        match event.tool.as_str() {
            "files/delete" => HookVerdict::Block {
                reason: "deleting is off today".into(),
            },
            "files/boom" => boom_in_hook(),
            _ => HookVerdict::Continue,
        }
    }
}

#[expect(clippy::panic, reason = "a hook that panics is what is tested")]
fn boom_in_hook() -> HookVerdict {
    panic!("boom in a hook")
}

#[derive(Default)]
struct Probe {
    background: OnceLock<CallCx>,
}

#[async_trait]
impl Plugin for Probe {
    fn manifest(&self) -> Cow<'static, str> {
        include_str!("plugin.json").into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        if ctx.settings::<Settings>()?.fail_register {
            return Err(RegisterError::Failed("told to fail".into()));
        }
        // A program registers once; what is linked would take the newest.
        self.background.get_or_init(|| ctx.background());
        ctx.tool(Block)?
            .tool(Boom)?
            .tool(Count)?
            .tool(Descriptors)?
            .tool(Echo)?
            .tool(Linger)?
            .tool(Print)?
            .tool(Tell)?
            .hook(HookPoint::PreToolCall, HookAuthority::Gate, NoDeletes)?;
        Ok(())
    }

    async fn migrate_state(
        &self,
        from: u32,
        entries: StateEntries,
    ) -> Result<StateEntries, StartFailure> {
        if from == 0 {
            return Err(StartFailure("nothing is that old".into()));
        }
        let renamed = entries
            .into_iter()
            .map(|(key, value)| (format!("v2/{key}"), value));
        Ok(renamed.collect())
    }

    async fn stop(&self) {
        let told = self.background.get().is_some_and(CallCx::is_cancelled);
        drop(writeln!(std::io::stderr(), "probe stopped; told: {told}"));
    }
}

keyway_serve::main!(Probe::default());
