//! A host view served: to other people's clients, to pages that have no business here, to callers with
//! and without grants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_host::Host;
use keyway_host::approval::{ApprovalRequest, Approver, Decision};
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_mcp::{
    Answerable, Answers, AskingApprover, CallOptions, ClosureTool, Connection, Endpoint, Era,
    HttpOptions, McpServer, Question, TraceContext,
};
use keyway_plugin_api::{Effect, PluginId, ToolDescriptor, ToolName, ToolOutput, async_trait};
use serde_json::{Value, json};

use crate::conformance::{Server, example};
use crate::judges::judges;
use crate::kit::{ApproveAll, builder, own_server, runtime};

#[test]
fn the_python_sdk_talks_to_it_over_both_transports() {
    let server = Server::start();
    let stdio = example("conformance_server");
    let table: [&[&str]; 2] = [
        &["http", &server.1],
        &["stdio", stdio.to_str().unwrap(), "stdio"],
    ];
    for args in table {
        let script = format!(
            "{}/tests/fixtures/sdk_client.py",
            env!("CARGO_MANIFEST_DIR")
        );
        let output = std::process::Command::new(judges().python())
            .arg(script)
            .args(args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{args:?} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["text"], "This is a simple text response for testing.");
        assert_eq!(said["failed"], true);
        assert_eq!(said["prompt"], "Prompt with arguments: arg1='a', arg2='b'");
        println!("{} {said}", args[0]);
    }
}

#[test]
fn the_inspector_finds_nothing_unportable_in_any_era() {
    let server = Server::start();
    for era in ["legacy", "modern", "auto"] {
        let run = |method: &[&str]| {
            judges()
                .npm("mcp-inspector")
                .args([
                    "--cli",
                    "--server-url",
                    &server.1,
                    "--transport",
                    "http",
                    "--method",
                ])
                .args(method)
                .args(["--format", "json", "-q", "--protocol-era", era])
                .output()
                .unwrap()
        };
        let list = run(&["tools/list", "--strict"]);
        assert_eq!(
            list.status.code(),
            Some(0),
            "{era} {}",
            String::from_utf8_lossy(&list.stderr)
        );
        let call = run(&[
            "tools/call",
            "--tool-name",
            "test_simple_text",
            "--tool-args-json",
            "{}",
        ]);
        assert_eq!(
            call.status.code(),
            Some(0),
            "{era} {}",
            String::from_utf8_lossy(&call.stderr)
        );
        println!("inspector --strict {era}: ok");
    }
}

/// An endpoint over HTTP, and the token that ends it when dropped.
struct Served(
    SocketAddr,
    #[expect(dead_code, reason = "dropping it ends the serving")] Stop,
);

type Stop = tokio::sync::oneshot::Sender<()>;

impl Served {
    async fn start(endpoint: Endpoint, options: HttpOptions) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = endpoint.http(options).serve(listener, async move {
            let _dropped = stopped.await;
        });
        tokio::spawn(serving);
        Self(address, stop)
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.0)
    }

    /// Sends `initialize` by hand and gives back the status.
    async fn status(&self, headers: &[(&str, &str)]) -> u16 {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let body = body.to_string();
        let mut lines = format!(
            "POST /mcp HTTP/1.1\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "host") {
            lines.push_str(&format!("host: {}\r\n", self.0));
        }
        for (name, value) in headers {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = tokio::net::TcpStream::connect(self.0).await.unwrap();
        stream
            .write_all(format!("{lines}\r\n{body}").as_bytes())
            .await
            .unwrap();
        let mut head = vec![0; 12];
        stream.read_exact(&mut head).await.unwrap();
        String::from_utf8_lossy(&head[9..12]).parse().unwrap()
    }
}

fn tool(name: &str, effect: Effect) -> impl keyway_plugin_api::Tool + use<> {
    let schema = json!({"type": "object", "properties": {}});
    let descriptor = ToolDescriptor::new(ToolName::parse(name).unwrap(), "A tool.", effect, schema);
    ClosureTool::new(descriptor, async |_, _| Ok(ToolOutput::text("done")))
}

async fn host() -> Arc<Host> {
    let host = builder().tool(tool("greet", Effect::Read)).build().unwrap();
    host.start().await;
    Arc::new(host)
}

#[tokio::test]
async fn s_t39_pages_of_strangers_and_other_host_names_are_refused() {
    let served = Served::start(
        Endpoint::new(host().await, Scope::everywhere()),
        HttpOptions::new(),
    )
    .await;
    let own = format!("http://{}", served.0);
    let table: [(&[(&str, &str)], u16); 7] = [
        (&[], 200),
        (&[("origin", &own)], 200),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "http://127.0.0.1:1")], 403),
        (&[("host", "evil.example")], 403),
        (
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            403,
        ),
    ];
    for (headers, expected) in table {
        assert_eq!(served.status(headers).await, expected, "{headers:?}");
    }
    // The control: where the operator lets them in, the same requests pass.
    let options = HttpOptions::new()
        .host("evil.example")
        .origin("https://evil.example");
    let open = Served::start(Endpoint::new(host().await, Scope::everywhere()), options).await;
    assert_eq!(
        open.status(&[("origin", "https://evil.example")]).await,
        200
    );
    assert_eq!(open.status(&[("host", "evil.example")]).await, 200);
}

#[tokio::test]
async fn s_c9_a_token_is_needed_where_there_are_tokens() {
    let options = HttpOptions::new().token("right", Scope::everywhere());
    let served = Served::start(Endpoint::new(host().await, Scope::everywhere()), options).await;
    assert_eq!(served.status(&[]).await, 401);
    assert_eq!(
        served.status(&[("authorization", "Bearer wrong")]).await,
        401
    );
    assert_eq!(served.status(&[("authorization", "right")]).await, 401);
    assert_eq!(
        served.status(&[("authorization", "Bearer right")]).await,
        200
    );
}

/// Answers one request and remembers whether a word was in it.
async fn listen_for(word: &'static str) -> (String, Arc<AtomicBool>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let heard = Arc::new(AtomicBool::new(false));
    let ear = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let ear = Arc::clone(&ear);
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                while let Ok(read @ 1..) = stream.read(&mut request).await {
                    let text = String::from_utf8_lossy(&request[..read]).into_owned();
                    ear.fetch_or(text.contains(word), Ordering::SeqCst);
                    let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
                    let message: Value = serde_json::from_str(body).unwrap_or_default();
                    let result = match message["method"].as_str() {
                        Some("initialize") => {
                            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                            "serverInfo": {"name": "up", "version": "1"}})
                        }
                        Some("tools/list") => {
                            json!({"tools": [{"name": "up", "description": "Up.", "inputSchema": {"type": "object"}}]})
                        }
                        Some("tools/call") => json!({"content": [{"type": "text", "text": "up"}]}),
                        _ => Value::Null,
                    };
                    let answer = match result {
                        Value::Null if message["id"].is_null() => {
                            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
                        }
                        Value::Null => {
                            let body = json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}).to_string();
                            format!(
                                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                                body.len()
                            )
                        }
                        result => {
                            let body =
                                json!({"jsonrpc": "2.0", "id": message["id"], "result": result})
                                    .to_string();
                            format!(
                                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                                body.len()
                            )
                        }
                    };
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, heard)
}

#[tokio::test]
async fn s_c9_a_caller_s_token_never_reaches_a_server_behind() {
    let (upstream, heard) = listen_for("inbound-token").await;
    let behind = |server: McpServer| async move {
        let host = builder()
            .runtime(runtime())
            .approver(ApproveAll)
            .declared_plugin(server.manifest(), Trust::Trusted)
            .build()
            .unwrap();
        println!("{:?}", host.start().await);
        let options = HttpOptions::new().token("inbound-token", Scope::everywhere());
        let served =
            Served::start(Endpoint::new(Arc::new(host), Scope::everywhere()), options).await;
        let front = McpServer::http("front", &served.url()).unwrap();
        let front = front
            .with_header("authorization", "Bearer inbound-token")
            .unwrap();
        let client = Connection::to(&front).open().await.unwrap();
        let reply = client
            .call("up__up", json!({}), CallOptions::default())
            .await
            .unwrap();
        assert_eq!(reply.content[0]["text"], "up");
    };
    behind(McpServer::http("up", &upstream).unwrap()).await;
    assert!(!heard.load(Ordering::SeqCst), "the token was passed on");
    // The control: what an operator configures does reach it, so the ear works.
    let configured = McpServer::http("up", &upstream).unwrap();
    behind(
        configured
            .with_header("authorization", "Bearer inbound-token")
            .unwrap(),
    )
    .await;
    assert!(heard.load(Ordering::SeqCst));
}

#[tokio::test]
async fn t01_only_what_the_caller_may_call_is_listed_in_a_stable_order() {
    let host = builder()
        .runtime(runtime())
        .approver(ApproveAll)
        .tool(tool("greet", Effect::Read))
        .declared_plugin(
            own_server("s", "server.py", &["good"]).manifest(),
            Trust::Trusted,
        )
        .build()
        .unwrap();
    host.start().await;
    let host = Arc::new(host);
    let served = Served::start(
        Endpoint::new(Arc::clone(&host), Scope::everywhere()),
        HttpOptions::new(),
    )
    .await;
    let mut lists = Vec::new();
    for era in [Era::Legacy, Era::Modern, Era::Modern] {
        let server = McpServer::http("front", &served.url()).unwrap();
        let client = Connection::to(&server).era(era).open().await.unwrap();
        let tools = client.list_tools().await.unwrap();
        lists.push(
            tools
                .iter()
                .map(|t| t["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
        let unknown = client
            .call("s/good", json!({}), CallOptions::default())
            .await
            .unwrap_err();
        assert_eq!(unknown.code(), "MCP_REFUSED");
        client
            .call("s__good", json!({}), CallOptions::default())
            .await
            .unwrap();
    }
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "{lists:?}");
    let mine: Vec<_> = host
        .view(Scope::everywhere())
        .list()
        .tools
        .iter()
        .map(|t| t.id.replace('/', "__"))
        .collect();
    assert_eq!(lists[0], mine);
    host.shutdown().await;
}

/// Says yes or no at the client.
struct Person(bool);

#[async_trait]
impl Answers for Person {
    fn answerable(&self) -> Answerable {
        Answerable {
            elicitation: true,
            ..Answerable::default()
        }
    }

    async fn answer(&self, _: &PluginId, question: Question) -> Result<Value, String> {
        println!("asked: {question:?}");
        Ok(json!({"action": "accept", "content": {"allow": self.0}}))
    }
}

/// Leaves every call to somebody else, and approves plugins.
struct NobodyHome;

#[async_trait]
impl Approver for NobodyHome {
    async fn review(&self, _: &ApprovalRequest) -> Decision {
        Decision::Later
    }
}

#[tokio::test]
async fn t02_what_needs_approval_is_asked_at_the_client_or_said() {
    let host = builder()
        .approver(AskingApprover::before(NobodyHome))
        .tool(tool("wipe", Effect::Destructive))
        .build()
        .unwrap();
    host.start().await;
    let served = Served::start(
        Endpoint::new(Arc::new(host), Scope::everywhere()),
        HttpOptions::new(),
    )
    .await;
    let server = McpServer::http("front", &served.url()).unwrap();
    for era in [Era::Legacy, Era::Modern] {
        let with = |person: Option<Person>| {
            let connection = Connection::to(&server).era(era);
            match person {
                Some(person) => connection.answers(Arc::new(person)),
                None => connection,
            }
        };
        let call = async |person| {
            let client = with(person).open().await.unwrap();
            client
                .call("wipe", json!({}), CallOptions::default())
                .await
                .unwrap()
        };
        let allowed = call(Some(Person(true))).await;
        assert!(!allowed.is_error, "{era:?} {allowed:?}");
        let refused = call(Some(Person(false))).await;
        assert!(refused.is_error, "{era:?} {refused:?}");
        let untold = call(None).await;
        assert!(untold.is_error);
        let words = untold.content[0]["text"].as_str().unwrap();
        assert!(
            words.contains("approve") && words.contains("repeat"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn t03_a_trace_goes_from_a_client_through_the_host_to_a_server_behind() {
    let host = builder()
        .runtime(runtime())
        .approver(ApproveAll)
        .declared_plugin(
            own_server("s", "server.py", &["good"]).manifest(),
            Trust::Trusted,
        )
        .build()
        .unwrap();
    host.start().await;
    let endpoint = Endpoint::new(Arc::new(host), Scope::everywhere());
    let served = Served::start(endpoint, HttpOptions::new()).await;
    let front = McpServer::http("front", &served.url()).unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for era in [Era::Legacy, Era::Modern] {
        let client = Connection::to(&front).era(era).open().await.unwrap();
        let call = || client.call("s__meta", json!({}), CallOptions::default());
        let trace = TraceContext::parse(parent, None).unwrap();
        let seen = trace.scope(call()).await.unwrap();
        let words = seen.content[0]["text"].as_str().unwrap();
        assert!(words.contains(parent), "{era:?} {words}");
        // Without a trace nothing is made up.
        let none = call().await.unwrap();
        assert!(
            !none.content[0]["text"]
                .as_str()
                .unwrap()
                .contains("traceparent")
        );
    }
}
