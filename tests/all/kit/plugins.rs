//! Small plugins that the tests of the kit run.

use std::borrow::Cow;

use keyway_plugin_api::{
    FsWrite, Plugin, Register, RegisterError, StartFailure, State, ToolError, async_trait, tool,
};

/// Gives the text back.
#[tool(effect = read)]
fn echo(
    /// The text.
    #[arg]
    text: String,
) -> String {
    text
}

/// A plugin with the tool `echo`.
pub(super) struct Echoes;

impl Echoes {
    pub(super) fn manifest_of(name: &str, kind: &str) -> String {
        let command = match kind {
            "linked" => "",
            _ => r#", "command": "./bin/plugin""#,
        };
        format!(
            r#"{{
  "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
  "name": "{name}", "version": "0.1.0",
  "extensions": {{ "dev.keyway": {{
    "schemaVersion": 1, "api": ">=0.1, <0.2",
    "runtime": {{ "kind": "{kind}"{command} }},
    "contributes": {{ "tools": ["echo"] }} }} }} }}"#
        )
    }
}

impl Plugin for Echoes {
    fn manifest(&self) -> Cow<'static, str> {
        Self::manifest_of("echo", "linked").into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Echo)?;
        Ok(())
    }
}

/// A plugin that registers and then does not start.
pub(super) struct FailsToStart;

#[async_trait]
impl Plugin for FailsToStart {
    fn manifest(&self) -> Cow<'static, str> {
        Echoes::manifest_of("bad", "linked").into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        Echoes.register(ctx)
    }

    async fn start(&self) -> Result<(), StartFailure> {
        Err(StartFailure("it never does".to_owned()))
    }
}

/// Keeps a text, one await at a time.
#[tool(effect = write)]
async fn keep(
    /// The text.
    #[arg]
    text: String,
    files: FsWrite,
    state: State,
) -> Result<(), ToolError> {
    tokio::task::yield_now().await;
    files.write("notes/kept.md", text).await?;
    tokio::task::yield_now().await;
    state.put("kept", "yes").await
}

/// Removes everything.
#[tool(effect = destructive)]
async fn wipe() -> String {
    tokio::task::yield_now().await;
    "wiped".to_owned()
}

/// A plugin with two tools; what it declares can be made to differ from what it registers.
#[derive(Clone, Copy)]
pub(super) struct Notes {
    pub(super) declared: &'static str,
    pub(super) asks: &'static str,
    pub(super) wipes: bool,
}

pub(super) const NOTES: Notes = Notes {
    declared: r#"["keep", "wipe"]"#,
    asks: r#"{ "kind": "filesystem", "write": ["./notes"], "optional": true },
             { "kind": "state", "quotaBytes": 64, "optional": true }"#,
    wipes: true,
};

impl Plugin for Notes {
    fn manifest(&self) -> Cow<'static, str> {
        let Self { declared, asks, .. } = self;
        format!(
            r#"{{
  "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
  "name": "notes", "version": "0.1.0",
  "extensions": {{ "dev.keyway": {{
    "schemaVersion": 1, "api": ">=0.1, <0.2",
    "runtime": {{ "kind": "linked" }},
    "capabilities": [{asks}],
    "contributes": {{ "tools": {declared} }} }} }} }}"#
        )
        .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Keep)?;
        if self.wipes {
            ctx.tool(Wipe)?;
        }
        Ok(())
    }
}
