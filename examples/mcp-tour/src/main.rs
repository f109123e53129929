//! Three real MCP servers from npm, and one that misbehaves, under one keyway host.
//!
//! `cargo run -p mcp-tour` installs the servers below `target/mcp-tour` (it needs `npm`, `node` and
//! `python3`), and prints what happens: what each server is and asks for, which of them the operator
//! approves, calls through the gate, a rug pull, a crash.

mod install;
mod operator;
mod table;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_host::view::View;
use keyway_host::{Host, StartReport};
use keyway_mcp::{McpRuntime, McpServer};
use keyway_plugin_api::Effect;
use serde_json::{Value, json};

use install::Installed;
use operator::Operator;
use table::{print, say};

type Done<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Done<()> {
    let installed = Installed::below(Path::new("target/mcp-tour")).await?;
    let servers = servers(&installed)?;
    let host = build(&servers, &installed)?;
    show_asked(&servers);
    let report = host.start().await;
    show_start(&report);
    let view = host.view("acme/support/ada".parse::<Scope>()?);
    show_tools(&view);
    show_calls(&view, &installed).await;
    rug_pull(&view).await;
    crash(&host, &view).await;
    host.shutdown().await;
    Ok(())
}

fn servers(installed: &Installed) -> Done<Vec<McpServer>> {
    let files = installed.files.to_string_lossy().into_owned();
    let memory = installed
        .files
        .join("memory.json")
        .to_string_lossy()
        .into_owned();
    Ok(vec![
        McpServer::stdio(
            "everything",
            "node",
            [installed.script("everything")?, "stdio".to_owned()],
        )?
        .with_only(["echo", "get-sum"])
        .with_effect("echo", Effect::Read),
        McpServer::stdio("files", "node", [installed.script("filesystem")?, files])?
            .with_trusted_hints(),
        McpServer::stdio("memory", "node", [installed.script("memory")?])?
            .with_trusted_hints()
            .with_env("MEMORY_FILE_PATH", &memory)?,
        McpServer::stdio(
            "shady",
            "python3",
            [installed.shady.clone(), "rug".to_owned()],
        )?
        .with_effect("add", Effect::Read)
        .with_effect("pull", Effect::Read),
        McpServer::stdio(
            "frail",
            "python3",
            [installed.shady.clone(), "good".to_owned()],
        )?
        .with_effect("good", Effect::Read)
        .with_effect("die", Effect::Read),
        McpServer::stdio("unwanted", "npx", ["-y", "some-server@latest"])?,
    ])
}

fn build(servers: &[McpServer], installed: &Installed) -> Done<Arc<Host>> {
    let runtime = McpRuntime::new().search(installed.search.clone());
    let mut builder = Host::builder("mcp-tour", "1.0.0")
        .runtime(runtime)
        .approver(Operator::new());
    for server in servers {
        builder = builder.declared_plugin(server.manifest(), Trust::Trusted);
    }
    Ok(Arc::new(builder.build()?))
}

fn show_asked(servers: &[McpServer]) {
    let rows = servers
        .iter()
        .map(|server| [server.id().to_string(), server.pinning().to_string()]);
    print("What the operator is shown", &["server", "version"], rows);
}

fn show_start(report: &StartReport) {
    let rows = report.plugins.iter().map(|outcome| {
        let status = serde_json::to_value(&outcome.status).unwrap_or_default();
        let word = |key: &str| status.get(key).map(Value::to_string).unwrap_or_default();
        [
            outcome.plugin.to_string(),
            word("status"),
            word("tools"),
            word("enforcement"),
        ]
    });
    print(
        "After the start",
        &["server", "status", "tools", "held"],
        rows,
    );
}

fn show_tools(view: &View) {
    let listing = view.list();
    let rows = listing.tools.iter().map(|tool| {
        let effect = serde_json::to_value(tool.descriptor().effect).unwrap_or_default();
        [
            tool.id.clone(),
            effect.as_str().unwrap_or_default().to_owned(),
        ]
    });
    print(
        "What the agent may call, and what the host takes it to do",
        &["tool", "effect"],
        rows,
    );
}

async fn show_calls(view: &View, installed: &Installed) {
    let calls = [
        ("everything/echo", json!({"message": "hello"})),
        ("everything/get-sum", json!({"a": 2, "b": 3})),
        ("everything/echo", json!({"message": 5})),
        ("files/list_directory", json!({"path": installed.files})),
        ("files/read_text_file", json!({"path": "/etc/passwd"})),
        ("memory/read_graph", json!({})),
        ("unwanted/anything", json!({})),
    ];
    let mut rows = Vec::new();
    for (tool, arguments) in calls {
        let words = outcome(view, tool, &arguments).await;
        rows.push([tool.to_owned(), arguments.to_string(), words]);
    }
    print(
        "Calls through the gate",
        &["tool", "arguments", "outcome"],
        rows,
    );
}

async fn outcome(view: &View, tool: &str, arguments: &Value) -> String {
    match view.call(tool, arguments).await {
        Ok(outcome) => match outcome.output() {
            Some(output) => output.to_value().to_string(),
            None => "waits for the operator".to_owned(),
        },
        Err(error) => format!("{}: {error}", error.code()),
    }
}

async fn rug_pull(view: &View) {
    let before = outcome(view, "shady/add", &json!({})).await;
    let pulled = outcome(view, "shady/pull", &json!({})).await;
    gone(view, "shady/").await;
    let after = outcome(view, "shady/add", &json!({})).await;
    let rows = [("before", before), ("the pull", pulled), ("after", after)];
    print(
        "A rug pull: a description changes after the approval",
        &["when", "shady says"],
        rows.map(|(when, said)| [when.to_owned(), said]),
    );
}

async fn crash(host: &Host, view: &View) {
    let mut notices = host.notices();
    let died = outcome(view, "frail/die", &json!({})).await;
    gone(view, "frail/").await;
    let other = outcome(view, "everything/echo", &json!({"message": "still here"})).await;
    let back = appears(view, "frail/good").await;
    let rows = [
        ("the crash", died),
        ("another server", other),
        ("after the restart", back),
    ];
    print(
        "A crash: one server dies, the others stay, it comes back",
        &["when", "what"],
        rows.map(|(when, what)| [when.to_owned(), what]),
    );
    while let Ok(notice) = notices.try_recv() {
        say(&format!("notice: {} {}", notice.plugin, notice.message));
    }
}

async fn gone(view: &View, prefix: &str) {
    wait(|| {
        !view
            .list()
            .tools
            .iter()
            .any(|tool| tool.id.starts_with(prefix))
    })
    .await;
}

async fn appears(view: &View, tool: &str) -> String {
    wait(|| view.list().tools.iter().any(|listed| listed.id == tool)).await;
    outcome(view, tool, &json!({})).await
}

/// Waits until something is true, for ten seconds at most.
async fn wait(is_true: impl Fn() -> bool) {
    for _ in 0..200 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
