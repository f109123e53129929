//! Sessions with the servers that everybody uses.

use keyway_mcp::{CallOptions, Connection, Era};
use serde_json::json;

use crate::kit::{host_with, npm_server, search, view};

#[tokio::test]
async fn r10_server_everything_gives_tools_resources_and_prompts() {
    let server = npm_server("everything", "mcp-server-everything", &["stdio"]);
    let client = Connection::to(&server)
        .search(search())
        .open()
        .await
        .unwrap();
    assert_eq!(client.facts().era, Era::Legacy);
    let tools = client.list_tools().await.unwrap();
    println!("{} tools", tools.len());
    assert!(tools.iter().any(|tool| tool["name"] == "echo"));
    let reply = client
        .call("echo", json!({"message": "hello"}), CallOptions::default())
        .await
        .unwrap();
    assert_eq!(reply.content[0]["text"], "Echo: hello");
    assert!(!client.list_resources().await.unwrap().is_empty());
    assert!(!client.list_prompts().await.unwrap().is_empty());
    client.close().await;
}

#[tokio::test]
async fn r10_a_governed_call_reaches_a_real_server() {
    let host = host_with(&[npm_server(
        "everything",
        "mcp-server-everything",
        &["stdio"],
    )])
    .await;
    let view = view(&host);
    let names: Vec<_> = view
        .list()
        .tools
        .iter()
        .map(|tool| tool.id.clone())
        .collect();
    println!("{names:?}");
    let outcome = view
        .call("everything/get-sum", json!({"a": 2, "b": 3}))
        .await
        .unwrap();
    println!("{outcome:?}");
    host.shutdown().await;
}

#[tokio::test]
async fn r10_three_real_servers_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    std::fs::copy("/etc/hostname", root.join("a.txt")).unwrap();
    let memory = root.join("memory.json");
    let host = host_with(&[
        npm_server("everything", "mcp-server-everything", &["stdio"]),
        npm_server("files", "mcp-server-filesystem", &[root.to_str().unwrap()]),
        npm_server("memory", "mcp-server-memory", &[])
            .with_env("MEMORY_FILE_PATH", memory.to_str().unwrap())
            .unwrap(),
    ])
    .await;
    let view = view(&host);
    let listing = view.list();
    println!("{} tools", listing.tools.len());
    for plugin in ["everything/", "files/", "memory/"] {
        assert!(
            listing.tools.iter().any(|tool| tool.id.starts_with(plugin)),
            "{plugin}"
        );
    }
    let path = root.join("a.txt");
    let read = view
        .call("files/read_text_file", json!({"path": path}))
        .await
        .unwrap();
    let text = read.output().unwrap().to_value().to_string();
    assert!(
        text.contains(std::fs::read_to_string(&path).unwrap().trim()),
        "{text}"
    );
    let graph = view.call("memory/read_graph", json!({})).await.unwrap();
    println!("{:?}", graph.output());
    // Arguments are held to the server's own schema before they reach it.
    let wrong = view
        .call("everything/get-sum", json!({"a": "two"}))
        .await
        .unwrap_err();
    assert_eq!(wrong.code(), "INVALID_ARGUMENTS");
    host.shutdown().await;
}
