//! A call of a tool that adds two numbers, governed by keyway, beside the same call through rmcp alone:
//! in one process, to a server that is a child process, and over HTTP.
//!
//! `taskset -c 0,1 cargo bench -p keyway-mcp --bench mcp` pins it.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[path = "../tests/fixtures/calculator.rs"]
mod calculator;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use keyway_host::Host;
use keyway_host::approval::ApproveAll;
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_host::view::View;
use keyway_mcp::{
    CallOptions, ClosureTool, Connection, Endpoint, HttpOptions, McpClient, McpRuntime, McpServer,
};
use keyway_plugin_api::{Args, Effect, ToolDescriptor, ToolInput, ToolName, ToolOutput, tool};
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{CallToolRequestParams, RequestId};
use rmcp::service::{Peer, RequestContext, RunningService};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{
    StreamableHttpClientTransport, StreamableHttpServerConfig, StreamableHttpService,
};
use rmcp::{RoleClient, RoleServer};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::runtime::{Builder, Runtime};

use calculator::Calculator;

/// The argument with which this program is a server over its pipes.
const SERVE: &str = "serve-over-pipes";

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = in_process, stdio, http
}

fn main() {
    if std::env::args().any(|argument| argument == SERVE) {
        return runtime().block_on(serve_over_pipes());
    }
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    benches();
    Criterion::default().configure_from_args().final_summary();
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

type Client = RunningService<RoleClient, ()>;

async fn serve_over_pipes() {
    let transport = AsyncRwTransport::new_server(tokio::io::stdin(), tokio::io::stdout());
    let service = rmcp::serve_server(Calculator::new(), transport).await;
    service.unwrap().waiting().await.unwrap();
}

fn request() -> CallToolRequestParams {
    let arguments = Map::from_iter([("a".to_owned(), json!(2)), ("b".to_owned(), json!(3))]);
    CallToolRequestParams::new("add").with_arguments(arguments)
}

async fn ask(client: &Peer<RoleClient>) {
    let result = client.call_tool(request()).await.unwrap();
    let sum = result.content[0].as_text().unwrap();
    assert_eq!(sum.text, "5");
}

async fn ask_view(view: &View, tool: &str) {
    let outcome = view.call(tool, r#"{"a":2,"b":3}"#).await.unwrap();
    assert_eq!(outcome.output().unwrap().to_value(), "5");
}

/// What [`plus`] adds.
#[derive(ToolInput)]
struct Pair {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

/// Adds two numbers.
#[tool(effect = read)]
fn plus(Args(Pair { a, b }): Args<Pair>) -> String {
    (a + b).to_string()
}

/// The tool as one of the host's own that has a schema only.
fn own_tool() -> impl keyway_plugin_api::Tool {
    let number = json!({"type": "integer"});
    let schema = json!({
        "type": "object",
        "properties": { "a": number, "b": number },
        "required": ["a", "b"],
    });
    let name = ToolName::parse("add").unwrap();
    let descriptor = ToolDescriptor::new(name, "Adds two numbers.", Effect::Read, schema);
    ClosureTool::new(descriptor, async |arguments: Value, _| {
        let number = |name: &str| arguments[name].as_i64().unwrap_or_default();
        Ok(ToolOutput::text((number("a") + number("b")).to_string()))
    })
}

async fn own_host() -> Arc<Host> {
    let host = Host::builder("bench", "1.0.0").tool(own_tool()).tool(Plus);
    let host = Arc::new(host.build().unwrap());
    host.start().await;
    host
}

/// Both ends of a session of rmcp in memory.
async fn duplex() -> (Client, RunningService<RoleServer, Calculator>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (our_input, our_output) = tokio::io::split(ours);
    let (their_input, their_output) = tokio::io::split(theirs);
    let server = AsyncRwTransport::new_server(their_input, their_output);
    let client = AsyncRwTransport::new_client(our_input, our_output);
    let (server, client) = tokio::join!(
        rmcp::serve_server(Calculator::new(), server),
        rmcp::serve_client((), client),
    );
    (client.unwrap(), server.unwrap())
}

fn in_process(c: &mut Criterion) {
    let mut group = c.benchmark_group("mcp/in one process");
    let runtime = runtime();
    let (client, server) = runtime.block_on(duplex());
    group.bench_function("rmcp: its tool router, nothing asked", |b| {
        let service = Calculator::new();
        b.iter(|| {
            let context = RequestContext::new(RequestId::Number(1), server.peer().clone());
            let context = ToolCallContext::new(&service, request(), context);
            runtime.block_on(service.tool_router.call(context)).unwrap()
        });
    });
    let host = runtime.block_on(own_host());
    let view = host.view(Scope::everywhere());
    group.bench_function("keyway: a governed call, schema only", |b| {
        b.iter(|| runtime.block_on(ask_view(&view, "add")));
    });
    group.bench_function("keyway: a governed call, typed", |b| {
        b.iter(|| runtime.block_on(ask_view(&view, "plus")));
    });
    group.bench_function("rmcp: client and server in memory", |b| {
        b.iter(|| runtime.block_on(ask(&client)));
    });
}

/// This program as a server, and a client of rmcp that talks to it.
async fn child() -> (Client, Child) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(SERVE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (input, output) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let transport = AsyncRwTransport::new_client(input, output);
    (rmcp::serve_client((), transport).await.unwrap(), child)
}

/// This program as a server, and the folder in which it is found.
fn own_server() -> (McpServer, PathBuf) {
    let program = std::env::current_exe().unwrap();
    let folder = program.parent().unwrap().to_owned();
    let name = program.file_name().unwrap().to_str().unwrap();
    let server = McpServer::stdio("sums", name, [SERVE]).unwrap();
    (server.with_effect("add", Effect::Read), folder)
}

async fn ask_client(client: &McpClient) {
    let arguments = json!({"a": 2, "b": 3});
    let reply = client.call("add", arguments, CallOptions::default());
    assert_eq!(reply.await.unwrap().content[0]["text"], "5");
}

/// A host with this program as a server of it.
async fn host_of_child() -> Host {
    let (server, folder) = own_server();
    let host = Host::builder("bench", "1.0.0")
        .runtime(McpRuntime::new().search([folder]))
        .approver(ApproveAll)
        .declared_plugin(server.manifest(), Trust::Trusted)
        .build()
        .unwrap();
    let report = host.start().await;
    assert_eq!(report.failures().count(), 0, "{report:?}");
    host
}

fn stdio(c: &mut Criterion) {
    let mut group = c.benchmark_group("mcp/a server that is a child process");
    let runtime = runtime();
    let (client, _child) = runtime.block_on(child());
    group.bench_function("rmcp: its client", |b| {
        b.iter(|| runtime.block_on(ask(&client)));
    });
    let (server, folder) = own_server();
    let client = Connection::to(&server).search([folder]).open();
    let client = runtime.block_on(client).unwrap();
    group.bench_function("keyway: its client, nothing asked", |b| {
        b.iter(|| runtime.block_on(ask_client(&client)));
    });
    let host = runtime.block_on(host_of_child());
    let view = host.view(Scope::everywhere());
    group.bench_function("keyway: a governed call", |b| {
        b.iter(|| runtime.block_on(ask_view(&view, "sums/add")));
    });
    runtime.block_on(host.shutdown());
}

/// Serves rmcp's own service; gives back its address.
async fn served_by_rmcp() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/mcp", listener.local_addr().unwrap());
    let service = StreamableHttpService::new(
        || Ok(Calculator::new()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let router = axum::Router::new().route_service("/mcp", service);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Serves a host; gives back its address.
async fn served_by_keyway() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/mcp", listener.local_addr().unwrap());
    let endpoint = Endpoint::new(own_host().await, Scope::everywhere());
    let serving = endpoint.http(HttpOptions::new());
    let serving = serving.serve(listener, std::future::pending());
    tokio::spawn(async move { serving.await.unwrap() });
    address
}

/// The same client of rmcp, one session, one request at a time.
fn http(c: &mut Criterion) {
    let mut group = c.benchmark_group("mcp/served over HTTP");
    let runtime = runtime();
    let table = [
        ("rmcp: its own service", runtime.block_on(served_by_rmcp())),
        ("keyway: an endpoint", runtime.block_on(served_by_keyway())),
    ];
    for (name, address) in table {
        let client = runtime.block_on(async {
            let transport = StreamableHttpClientTransport::from_uri(address);
            rmcp::serve_client((), transport).await.unwrap()
        });
        group.bench_function(name, |b| {
            b.iter(|| runtime.block_on(ask(&client)));
        });
    }
}
