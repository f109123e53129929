//! One plugin, linked into a host and as an executable of its own: the same source.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_plugin_api::{
    Args, CallCx, EffectRequest, Hook, HookAuthority, HookEvent, HookPoint, HookVerdict, Json, Log,
    Plugin, Progress, Register, RegisterError, State, ToolError, ToolErrorKind, ToolInput,
    ToolValue, async_trait, tool, tools,
};

/// How it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Twin {
    /// `linked` or `process`.
    pub(crate) kind: &'static str,
    /// Whether it asks for its state outside calls, too.
    pub(crate) background: bool,
}

/// Whom to greet.
#[derive(ToolInput)]
struct Greeted {
    /// The name.
    name: String,
    /// How often, from 1 to 3.
    #[serde(default)]
    times: u8,
}

/// What was counted.
#[derive(ToolValue)]
struct Counted {
    /// How many.
    total: u64,
}

/// Greets somebody.
#[tool(effect = read)]
async fn greet(greeted: Args<Greeted>) -> String {
    format!("Hello {}!", greeted.name).repeat(usize::from(greeted.times.max(1)))
}

/// Counts its calls.
#[tool(effect = write)]
async fn count(state: State, log: Log) -> Result<Json<Counted>, ToolError> {
    let total = state.get_json("total").await?.unwrap_or(0) + 1;
    state.put_json("total", &total).await?;
    log.info(format!("counted to {total}")).await;
    Ok(Json(Counted { total }))
}

/// Reads a file that nobody granted.
#[tool(effect = read)]
async fn peek(cx: &CallCx) -> Result<String, ToolError> {
    let path = "secret.txt".to_owned();
    cx.perform(EffectRequest::FsRead { path }).await?;
    Ok("read it".to_owned())
}

/// Fails as a tool does.
#[tool(effect = read)]
async fn refuse() -> Result<String, ToolError> {
    Err(ToolError::new(ToolErrorKind::Conflict, "there is one already").with_case("exists"))
}

/// Panics.
#[tool(effect = read)]
#[expect(clippy::panic, reason = "a tool that panics is what is tested")]
async fn panic() -> String {
    panic!("at the tool")
}

/// Works until nobody waits for it.
#[tool(effect = read)]
async fn wait(cx: &CallCx, progress: Progress) -> Result<String, ToolError> {
    progress.report(1, Some(2), "half").await;
    cx.cancelled().await;
    Err(ToolError::internal("nobody waits"))
}

/// Works by itself.
struct Alone(CallCx);

#[tools]
impl Alone {
    /// Stores something outside its call, and says how that went.
    #[tool(effect = write)]
    async fn alone(&self) -> Result<String, ToolError> {
        let cx = self.0.clone();
        let (key, value) = ("alone".to_owned(), b"by itself".to_vec());
        let work = async move { cx.perform(EffectRequest::StatePut { key, value }).await };
        let done = tokio::spawn(work).await;
        done.map_err(|e| ToolError::internal(e.to_string()))??;
        Ok("stored".to_owned())
    }
}

/// Stops every greeting of somebody.
struct NoMallory;

#[async_trait]
impl Hook for NoMallory {
    async fn run(&self, event: &HookEvent) -> HookVerdict {
        match event.payload["name"] == "Mallory" {
            true => HookVerdict::Block {
                reason: "not Mallory".to_owned(),
            },
            false => HookVerdict::Continue,
        }
    }
}

impl Plugin for Twin {
    fn manifest(&self) -> Cow<'static, str> {
        let runtime = match self.kind {
            "linked" => r#"{ "kind": "linked" }"#,
            _ if self.background => {
                r#"{ "kind": "process", "command": "./bin/twin", "args": ["background"] }"#
            }
            _ => r#"{ "kind": "process", "command": "./bin/twin" }"#,
        };
        let background = self.background;
        format!(
            r#"{{
                "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
                "name": "twin",
                "version": "1.0.0",
                "extensions": {{ "dev.keyway": {{
                    "schemaVersion": 1,
                    "api": ">=0.1, <0.2",
                    "runtime": {runtime},
                    "capabilities": [
                        {{ "kind": "state", "quotaBytes": 1000, "reason": "counts",
                           "background": {background} }}
                    ],
                    "contributes": {{
                        "tools": ["alone", "count", "greet", "panic", "peek", "refuse", "wait"],
                        "hooks": ["pre_tool_call"]
                    }}
                }} }}
            }}"#
        )
        .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tools(Arc::new(Alone(ctx.background())).tools())?
            .tool(Count)?
            .tool(Greet)?
            .tool(Panic)?
            .tool(Peek)?
            .tool(Refuse)?
            .tool(Wait)?
            .hook(HookPoint::PreToolCall, HookAuthority::Gate, NoMallory)?;
        Ok(())
    }
}
