//! Local servers in the jail: what they cannot do there, and the same without it.

use std::sync::Arc;

use keyway_host::Host;
use keyway_host::rank::Trust;
use keyway_host::{CallError, PluginStatus};
use keyway_mcp::{JailLauncher, McpServer};
use serde_json::{Value, json};

use crate::kit::{ApproveAll, builder, own_server, runtime, search, view};

fn fixtures() -> String {
    format!("{}/tests/fixtures", env!("CARGO_MANIFEST_DIR"))
}

/// The system's own Python: its library is the system's, which the jail opens.
fn jailed_server(mode: &str) -> McpServer {
    let script = format!("{}/server.py", fixtures());
    McpServer::stdio("held", "/usr/bin/python3", [script.as_str(), mode]).unwrap()
}

async fn start(server: &McpServer, jail: Option<JailLauncher>) -> Arc<Host> {
    let runtime = match jail {
        Some(jail) => runtime().launcher(jail),
        None => runtime(),
    };
    let host = builder()
        .runtime(runtime)
        .approver(ApproveAll)
        .declared_plugin(server.manifest(), Trust::Trusted)
        .build()
        .unwrap();
    let report = host.start().await;
    println!("{:?}", report.plugins);
    Arc::new(host)
}

async fn said(host: &Host, tool: &str, arguments: Value) -> Result<String, CallError> {
    let outcome = view(host).call(tool, arguments).await?;
    Ok(outcome
        .output()
        .unwrap()
        .to_value()
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test]
async fn s_c11_a_jailed_server_reads_no_secret_writes_nowhere_and_connects_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::copy("/etc/hostname", &secret).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let attacks = |root: &std::path::Path| {
        [
            ("held/read", json!({"path": secret})),
            ("held/read", json!({"path": "/etc/passwd"})),
            ("held/write", json!({"path": root.join("planted")})),
            (
                "held/net",
                json!({"port": listener.local_addr().unwrap().port()}),
            ),
        ]
    };
    let scratch = tempfile::tempdir().unwrap();
    let jail = JailLauncher::new(scratch.path()).code(fixtures());
    let held = start(&jailed_server("env"), Some(jail)).await;
    for (tool, arguments) in attacks(folder.path()) {
        let done = said(&held, tool, arguments.clone()).await;
        println!("{tool} {arguments}: {done:?}");
        assert!(
            matches!(done, Err(CallError::Failed(_))),
            "{tool} {arguments}: {done:?}"
        );
    }
    assert!(!folder.path().join("planted").exists());
    let inside = scratch.path().join("held/note");
    said(&held, "held/write", json!({"path": inside}))
        .await
        .unwrap();
    held.shutdown().await;

    // The control: the same server without the jail does all of it.
    let free = start(&jailed_server("env"), None).await;
    for (tool, arguments) in attacks(folder.path()) {
        said(&free, tool, arguments).await.unwrap();
    }
    assert!(folder.path().join("planted").exists());
    free.shutdown().await;
}

#[tokio::test]
async fn s_c11_the_level_is_the_one_that_was_reached() {
    let scratch = tempfile::tempdir().unwrap();
    let jail = JailLauncher::new(scratch.path()).code(fixtures());
    // What this machine's kernel can hold a program to.
    let reached = keyway_sandbox::Jail::new()
        .scratch(scratch.path())
        .expected();
    let reached = reached.level().to_string();
    println!("{reached}");
    let table = [(Some(jail), reached.as_str()), (None, "declared")];
    for (jail, expected) in table {
        let runtime = match jail {
            Some(jail) => runtime().launcher(jail),
            None => runtime(),
        };
        let host = builder()
            .runtime(runtime)
            .approver(ApproveAll)
            .declared_plugin(jailed_server("good").manifest(), Trust::Trusted)
            .build()
            .unwrap();
        let report = host.start().await;
        let PluginStatus::Running { enforcement, .. } = report.plugins[0].status else {
            panic!("{report:?}");
        };
        println!("{enforcement}");
        assert_eq!(enforcement.to_string(), expected);
        host.shutdown().await;
    }
}

#[tokio::test]
async fn s_c11_a_community_server_without_a_jail_does_not_start() {
    let host = builder()
        .runtime(runtime())
        .approver(ApproveAll)
        .declared_plugin(
            own_server("free", "server.py", &["good"]).manifest(),
            Trust::Community,
        )
        .build()
        .unwrap();
    let report = host.start().await;
    let PluginStatus::Failed { code, .. } = report.plugins[0].status else {
        panic!("{report:?}");
    };
    assert_eq!(code, "ENFORCEMENT_TOO_WEAK");
    host.shutdown().await;
}

#[tokio::test]
async fn s_c11_granted_files_are_open_to_a_jailed_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = std::fs::canonicalize(folder.path()).unwrap();
    let note = path.join("note");
    std::fs::copy("/etc/hostname", &note).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let jail = JailLauncher::new(scratch.path()).code(fixtures());
    let server = jailed_server("env").with_read(path.to_str().unwrap());
    let host = start(&server, Some(jail)).await;
    let read = said(&host, "held/read", json!({"path": note}))
        .await
        .unwrap();
    assert_eq!(read, std::fs::read_to_string("/etc/hostname").unwrap());
    said(&host, "held/write", json!({"path": note}))
        .await
        .unwrap_err();
    host.shutdown().await;
}

/// A real npm server runs in the jail, with node and its code open to it.
#[tokio::test]
async fn s_c11_a_real_server_works_in_the_jail() {
    let scratch = tempfile::tempdir().unwrap();
    let npm = std::fs::canonicalize(crate::judges::judges().npm_bin("mcp-server-memory")).unwrap();
    let modules = npm
        .ancestors()
        .find(|p| p.ends_with("node_modules"))
        .unwrap();
    let jail = JailLauncher::new(scratch.path())
        .code(modules)
        .memory(2 << 30);
    let file = scratch.path().join("memory/memory.json");
    let server = crate::kit::npm_server("memory", "mcp-server-memory", &[])
        .with_env("MEMORY_FILE_PATH", file.to_str().unwrap())
        .unwrap();
    let host = builder()
        .runtime(runtime().search(search()).launcher(jail))
        .approver(ApproveAll)
        .declared_plugin(server.manifest(), Trust::Community)
        .build()
        .unwrap();
    let report = host.start().await;
    println!("{:?}", report.plugins);
    let entity = json!({"entities": [{"name": "keyway", "entityType": "platform", "observations": ["governs"]}]});
    view(&host)
        .call("memory/create_entities", entity)
        .await
        .unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("governs"));
    host.shutdown().await;
}
