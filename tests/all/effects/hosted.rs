//! Effects as a plugin in a host has them: asked for by a tool, decided by the gate, performed here.

use std::borrow::Cow;
use std::path::Path;

use keyway_effects::Effects;
use keyway_effects::secrets::MemorySecrets;
use keyway_host::approval::ApproveAll;
use keyway_host::audit::Redactor;
use keyway_host::{Host, Outcome};
use keyway_plugin_api::{
    FsRead, FsWrite, Log, Plugin, Register, RegisterError, Secret, SecretName, State, ToolError,
    ToolErrorKind, async_trait, tool,
};
use serde_json::{Value, json};

struct ApiKey;

impl SecretName for ApiKey {
    const NAME: &'static str = "API_KEY";
}

const CANARY: &str = "canary-hosted-31c7";

/// Uses every effect once.
#[tool(effect = write)]
async fn work(
    read: FsRead,
    write: FsWrite,
    state: State,
    key: Secret<ApiKey>,
    log: Log,
) -> Result<String, ToolError> {
    let runs = state.get_json::<u32>("runs").await?.unwrap_or(0) + 1;
    state.put_json("runs", &runs).await?;
    write.write("notes/run.txt", runs.to_string()).await?;
    let key = key.reveal().await?;
    log.info(format!("run {runs} with {}", key.expose())).await;
    read.read_text("notes/run.txt").await
}

/// Leaves the granted folder.
#[tool(effect = read)]
async fn escape(read: FsRead) -> Result<String, ToolError> {
    read.read_text("notes/link").await
}

struct Worker;

#[async_trait]
impl Plugin for Worker {
    fn manifest(&self) -> Cow<'static, str> {
        json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": "worker", "version": "0.1.0",
            "extensions": {"dev.keyway": {
                "api": ">=0.1, <0.2",
                "runtime": {"kind": "linked"},
                "capabilities": [
                    {"kind": "filesystem", "read": ["./notes"], "write": ["./notes"]},
                    {"kind": "state", "quotaBytes": 1000},
                    {"kind": "secret", "names": ["API_KEY"]},
                ],
                "contributes": {"tools": ["escape", "work"]},
            }},
        })
        .to_string()
        .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Work)?.tool(Escape)?;
        Ok(())
    }
}

async fn host(folder: &Path) -> (Host, Effects) {
    let redactor = Redactor::new();
    let effects = Effects::builder(folder.join(".keyway"))
        .files_base(folder)
        .secrets(MemorySecrets::new().with("API_KEY", CANARY))
        .redactor(redactor.clone())
        .build()
        .unwrap();
    let host = Host::builder("test", "1.0.0")
        .approver(ApproveAll)
        .redactor(redactor)
        .effects(effects.clone())
        .plugin(Worker)
        .build()
        .unwrap();
    let report = host.start().await;
    assert!(report.plugin("worker").unwrap().is_running(), "{report:#?}");
    (host, effects)
}

async fn call(host: &Host, tool: &str) -> Result<Value, ToolError> {
    let view = host.view("acme/support/triage".parse().unwrap());
    match view.call(tool, "{}").await {
        Ok(Outcome::Done(output)) => Ok(output.to_value()),
        Err(keyway_host::CallError::Failed(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tool_reads_writes_remembers_and_logs_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=2 {
        let (host, effects) = host(folder.path()).await;
        assert_eq!(
            call(&host, "worker/work").await.unwrap(),
            json!(run.to_string())
        );
        let lines = effects.log().tail(&super::plugin("worker"), 1).unwrap();
        assert_eq!(lines[0].message, format!("run {run} with [redacted]"));
    }
    assert_eq!(
        std::fs::read(folder.path().join("notes/run.txt")).unwrap(),
        b"2"
    );
}

#[tokio::test]
async fn s_c3_a_link_out_of_the_grant_is_refused_through_the_host_too() {
    let folder = tempfile::tempdir().unwrap();
    let (host, _) = host(folder.path()).await;
    call(&host, "worker/work").await.unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("notes/link")).unwrap();
    let refused = call(&host, "worker/escape").await.unwrap_err();
    assert_eq!(refused.kind, ToolErrorKind::Denied);
    assert_eq!(refused.case.as_deref(), Some("PATH_HAS_LINK"));
}
