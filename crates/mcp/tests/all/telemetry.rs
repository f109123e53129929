//! The spans of MCP: their names, what is in them and what never is, and how they join across the wire.

mod recording;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::approval::DecideLater;
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_host::view::View;
use keyway_mcp::{
    Answerable, Answers, AskingApprover, CallOptions, ClosureTool, Completions, Connection,
    Endpoint, Era, HttpOptions, McpClient, McpServer, Question, Refusal, ServedPrompts,
    ServedResources, TraceContext,
};
use keyway_plugin_api::{Effect, PluginId, ToolDescriptor, ToolError, ToolName, ToolOutput};
use serde_json::{Map, Value, json};

use crate::kit::{ApproveAll, builder, connected, own_server, runtime, search};
use recording::{Kept, Recording};

/// Stands in everything that must not be in a span.
const SECRET: &str = "hunter2";

fn tool(name: &str, effect: Effect) -> impl keyway_plugin_api::Tool + use<> {
    let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
    let descriptor = ToolDescriptor::new(ToolName::parse(name).unwrap(), "A tool.", effect, schema);
    let fails = name == "fail";
    ClosureTool::new(descriptor, move |arguments: Value, _| async move {
        match fails {
            true => Err(ToolError::internal(format!("no good: {arguments}"))),
            false => Ok(ToolOutput::text(arguments.to_string())),
        }
    })
}

struct Notes;

#[keyway_plugin_api::async_trait]
impl ServedResources for Notes {
    async fn list(&self, _: &View) -> Vec<Value> {
        vec![json!({"uri": "notes://today", "name": "today"})]
    }

    async fn read(&self, _: &View, uri: &str) -> Result<Vec<Value>, Refusal> {
        match uri {
            "notes://today" => Ok(vec![json!({"uri": uri, "text": SECRET})]),
            "notes://burnt" => Err(Refusal::Failed(format!("the {SECRET} is burnt"))),
            _ => Err(Refusal::Unknown),
        }
    }
}

#[keyway_plugin_api::async_trait]
impl ServedPrompts for Notes {
    async fn list(&self, _: &View) -> Vec<Value> {
        vec![json!({"name": "greet"})]
    }

    async fn get(&self, _: &View, _: &str, given: &Map<String, Value>) -> Result<Value, Refusal> {
        let text = json!(given).to_string();
        let content = json!({"type": "text", "text": text});
        Ok(json!({"messages": [{"role": "user", "content": content}]}))
    }
}

#[keyway_plugin_api::async_trait]
impl Completions for Notes {
    async fn complete(&self, _: &View, _: &Value, _: &str, begun: &str) -> Vec<String> {
        vec![format!("{begun}!")]
    }
}

/// Serves what there is of everything over HTTP; gives back the address.
async fn served(link: Option<Recording>, options: HttpOptions) -> String {
    let host = builder()
        .runtime(runtime())
        .approver(AskingApprover::before(DecideLater))
        .tool(tool("echo", Effect::Read))
        .tool(tool("fail", Effect::Read))
        .tool(tool("wipe", Effect::Destructive))
        .build()
        .unwrap();
    host.start().await;
    let endpoint = Endpoint::new(Arc::new(host), Scope::everywhere())
        .resources(Notes)
        .prompts(Notes)
        .completions(Notes);
    serve(endpoint, link, options).await
}

async fn serve(endpoint: Endpoint, link: Option<Recording>, options: HttpOptions) -> String {
    let endpoint = match link {
        Some(link) => endpoint.trace_link(link),
        None => endpoint,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let serving = endpoint.http(options);
    tokio::spawn(serving.serve(listener, std::future::pending()));
    url
}

fn front(url: &str) -> McpServer {
    McpServer::http("front", url).unwrap()
}

async fn call(client: &McpClient, tool: &str, text: &str) -> Result<Value, String> {
    let arguments = json!({"text": text});
    let reply = client.call(tool, arguments, CallOptions::default()).await;
    let reply = reply.map_err(|e| e.code().to_owned())?;
    Ok(reply.content.first().cloned().unwrap_or_default())
}

/// Asks for everything that a client can ask for, with a secret wherever there is room for one.
async fn ask_for_everything(client: &McpClient) {
    client.list_tools().await.unwrap();
    call(client, "echo", SECRET).await.unwrap();
    call(client, "fail", SECRET).await.unwrap();
    call(client, "absent", SECRET).await.unwrap_err();
    client.list_resources().await.unwrap();
    client.list_resource_templates().await.unwrap();
    client.read_resource("notes://today").await.unwrap();
    client.read_resource("notes://burnt").await.unwrap_err();
    client.list_prompts().await.unwrap();
    let given = Map::from_iter([("to".to_owned(), json!(SECRET))]);
    client.prompt("greet", given).await.unwrap();
    let reference = json!({"type": "ref/prompt", "name": "greet"});
    client.complete(reference, "to", SECRET).await.unwrap();
}

/// Uses every span once, under no tracer.
async fn first() {
    let url = served(None, HttpOptions::new()).await;
    let client = Connection::to(&front(&url)).open().await.unwrap();
    ask_for_everything(&client).await;
}

/// The lines that the spans of a side make: name, tool, prompt, resource, error, status.
fn lines(spans: &[Kept], side: &str) -> Vec<String> {
    let shown = [
        "otel.name",
        "mcp.method.name",
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "gen_ai.prompt.name",
        "mcp.resource.uri",
        "rpc.response.status_code",
        "error.type",
        "otel.status_code",
    ];
    let line = |span: &Kept| shown.map(|name| span.field(name)).join("|");
    let side = spans.iter().filter(|span| span.name == side);
    side.map(line).collect()
}

/// What [`ask_for_everything`] makes on both sides, after the opening.
const BOTH: [&str; 11] = [
    "tools/list|tools/list|||||||",
    "tools/call echo|tools/call|execute_tool|echo|||||",
    "tools/call fail|tools/call|execute_tool|fail||||tool_error|ERROR",
    "",
    "resources/list|resources/list|||||||",
    "resources/templates/list|resources/templates/list|||||||",
    "resources/read|resources/read||||notes://today|||",
    "resources/read|resources/read||||notes://burnt|-32603|-32603|ERROR",
    "prompts/list|prompts/list|||||||",
    "prompts/get greet|prompts/get|||greet||||",
    "completion/complete|completion/complete|||||||",
];
/// A client's mistake is an error of the client, and none of the server; a name that is not there
/// is in no span of a server.
const ABSENT: [&str; 2] = [
    "tools/call absent|tools/call|execute_tool|absent|||-32602|-32602|ERROR",
    "tools/call|tools/call|execute_tool||||-32602||",
];

#[test]
fn every_request_is_a_span_on_both_sides_in_the_words_of_opentelemetry() {
    for (era, opening, version) in [
        (Era::Legacy, "initialize", "2025-11-25"),
        (Era::Modern, "server/discover", "2026-07-28"),
    ] {
        let (url, recording) = Recording::of(first(), async |_| {
            let url = served(None, HttpOptions::new()).await;
            let connection = Connection::to(&front(&url)).era(era);
            ask_for_everything(&connection.open().await.unwrap()).await;
            url
        });
        let spans = recording.spans();
        for (side, absent) in [("mcp.client", ABSENT[0]), ("mcp.server", ABSENT[1])] {
            let opening = format!("{opening}|{opening}|||||||");
            let expected: Vec<_> = std::iter::once(opening.as_str())
                .chain(BOTH.map(|line| if line.is_empty() { absent } else { line }))
                .collect();
            assert_eq!(lines(&spans, side), expected, "{era:?} {side}");
        }
        for span in &spans {
            common_to_all(span, &url, era, version);
        }
    }
}

#[track_caller]
fn common_to_all(span: &Kept, url: &str, era: Era, version: &str) {
    assert!(span.is_closed, "{span:?}");
    let port = url.rsplit(':').next().unwrap().trim_end_matches("/mcp");
    let kind = match span.name {
        "mcp.client" => [
            ("otel.kind", "client"),
            ("keyway.plugin", "front"),
            ("server.address", "127.0.0.1"),
            ("server.port", port),
        ],
        "mcp.server" => [
            ("otel.kind", "server"),
            ("keyway.caller", "*"),
            ("server.address", ""),
            ("server.port", ""),
        ],
        other => return assert_eq!(other, "execute_tool"),
    };
    for (name, value) in kind {
        assert_eq!(span.field(name), value, "{name} of {span:?}");
    }
    assert_eq!(span.field("network.transport"), "tcp");
    assert_eq!(span.field("network.protocol.name"), "http");
    assert_eq!(span.field("mcp.protocol.version"), version, "{span:?}");
    let is_opening = span.field("mcp.method.name") == "initialize";
    let is_numbered = !span.field("jsonrpc.request.id").is_empty();
    // The opening of a client is rmcp's own request, of which no number is seen.
    let is_hidden = span.name == "mcp.client"
        && (is_opening || span.field("mcp.method.name") == "server/discover");
    assert_eq!(is_numbered, !is_hidden, "{span:?}");
    let has_session = !span.field("mcp.session.id").is_empty();
    let is_in_session = span.name == "mcp.server" && era == Era::Legacy && !is_opening;
    assert_eq!(has_session, is_in_session, "{span:?}");
}

#[test]
fn a_request_over_pipes_says_how_it_ended() {
    let ((), recording) = Recording::of(first(), async |_| {
        let server = own_server("s", "server.py", &["good"]);
        let client = connected(&server).await;
        call(&client, "good", "x").await.unwrap();
        call(&client, "fail", "x").await.unwrap();
        client.list_resources().await.unwrap_err();
        let slow = || json!({"seconds": 2});
        let limit = Duration::from_millis(50);
        let late = client
            .call("sleep", slow(), CallOptions::within(limit))
            .await;
        assert_eq!(late.unwrap_err().code(), "MCP_TIMED_OUT");
        let given_up = client.call("sleep", slow(), CallOptions::default());
        tokio::time::timeout(limit, given_up).await.unwrap_err();
        assert_eq!(call(&client, "die", "x").await.unwrap_err(), "MCP_GONE");
    });
    let expected = [
        "initialize|initialize|||||||",
        "tools/call good|tools/call|execute_tool|good|||||",
        "tools/call fail|tools/call|execute_tool|fail||||tool_error|ERROR",
        "resources/list|resources/list|||||-32601|-32601|ERROR",
        "tools/call sleep|tools/call|execute_tool|sleep||||MCP_TIMED_OUT|ERROR",
        "tools/call sleep|tools/call|execute_tool|sleep||||CANCELLED|ERROR",
        "tools/call die|tools/call|execute_tool|die||||MCP_GONE|ERROR",
    ];
    let spans = recording.spans();
    assert_eq!(lines(&spans, "mcp.client"), expected);
    for span in &spans {
        assert_eq!(span.field("network.transport"), "pipe");
        assert_eq!(span.field("network.protocol.name"), "");
        assert_eq!(span.field("server.address"), "");
        assert_eq!(span.field("mcp.protocol.version"), "2025-11-25");
        assert!(span.is_closed);
    }
}

#[test]
fn a_server_that_does_not_come_up_is_an_opening_that_failed() {
    let ((), recording) = Recording::of(first(), async |_| {
        let server = own_server("s", "server.py", &["early-exit"]);
        let opened = Connection::to(&server).search(search()).open().await;
        assert_eq!(opened.unwrap_err().code(), "MCP_UNREACHABLE");
    });
    let spans = recording.spans();
    let expected = ["server/discover|server/discover||||||MCP_UNREACHABLE|ERROR"];
    assert_eq!(lines(&spans, "mcp.client"), expected);
}

/// A host behind a host: the trace goes client, server, call, client, and on to the last server.
#[test]
fn a_trace_goes_on_across_every_wire() {
    for era in [Era::Legacy, Era::Modern] {
        let (meta, recording) = Recording::of(first(), async |recording| {
            let behind = own_server("s", "server.py", &["good"]);
            let host = builder()
                .runtime(runtime().trace_link(recording.clone()))
                .approver(ApproveAll)
                .declared_plugin(behind.manifest(), Trust::Trusted)
                .build()
                .unwrap();
            host.start().await;
            let endpoint = Endpoint::new(Arc::new(host), Scope::everywhere());
            let url = serve(endpoint, Some(recording.clone()), HttpOptions::new()).await;
            let connection = Connection::to(&front(&url)).era(era);
            let connection = connection.trace_link(Arc::new(recording));
            let client = connection.open().await.unwrap();
            let said = call(&client, "s__meta", "x").await.unwrap();
            serde_json::from_str::<Value>(said["text"].as_str().unwrap()).unwrap()
        });
        let spans = recording.spans();
        let one = |name: &str, tool: &str| match &recording.with(name, "gen_ai.tool.name", tool)[..]
        {
            [(place, span)] => (*place, span.clone()),
            other => panic!("{era:?} {name} {tool}: {other:#?}"),
        };
        let (asked, _) = one("mcp.client", "s__meta");
        let (served, server) = one("mcp.server", "s__meta");
        let (called, execution) = one("execute_tool", "s/meta");
        let (passed_on, last) = one("mcp.client", "meta");
        assert_eq!(server.came, Some(asked), "{spans:#?}");
        assert_eq!(execution.around, Some(served), "{spans:#?}");
        assert_eq!(last.around, Some(called), "{spans:#?}");
        let parent = meta["traceparent"].as_str().unwrap();
        assert!(
            parent.ends_with(&format!("-{:016x}-01", passed_on + 1)),
            "{parent}"
        );
        assert_eq!(meta["tracestate"], "keyway=test");
        assert_eq!(meta["baggage"], "userId=alice");
        // A session before 2026-07-28 is opened by a request like any other.
        let opened = recording.with("mcp.server", "mcp.method.name", "initialize");
        let came: Vec<_> = opened.iter().filter_map(|(_, span)| span.came).collect();
        let is_opening = |place: &usize| spans[*place].field("mcp.method.name") == "initialize";
        assert_eq!(came.len(), usize::from(era == Era::Legacy));
        assert!(came.iter().all(is_opening));
    }
}

/// The control: what no tracer joins is passed on as it came, and joins nothing.
#[test]
fn a_trace_without_a_tracer_passes_through_unchanged() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let ((), recording) = Recording::of(first(), async |_| {
        let server = own_server("s", "server.py", &["good"]);
        let client = connected(&server).await;
        let trace = TraceContext::parse(parent, Some("a=1")).unwrap();
        let trace = trace.with_baggage("b=2");
        let said = trace.scope(call(&client, "meta", "x")).await.unwrap();
        let meta: Value = serde_json::from_str(said["text"].as_str().unwrap()).unwrap();
        let carried = ["traceparent", "tracestate", "baggage"].map(|key| meta[key].as_str());
        assert_eq!(carried, [Some(parent), Some("a=1"), Some("b=2")]);
        let said = call(&client, "meta", "x").await.unwrap();
        assert!(
            !said.to_string().contains("traceparent"),
            "nothing is made up"
        );
    });
    assert!(recording.spans().iter().all(|span| span.came.is_none()));
}

/// Answers yes, and remembers the trace in which it was asked.
#[derive(Clone, Default)]
struct Person(Arc<Mutex<Option<TraceContext>>>);

#[keyway_plugin_api::async_trait]
impl Answers for Person {
    fn answerable(&self) -> Answerable {
        Answerable {
            elicitation: true,
            ..Answerable::default()
        }
    }

    async fn answer(&self, _: &PluginId, _: Question) -> Result<Value, String> {
        *self.0.lock().unwrap() = TraceContext::current();
        Ok(json!({"action": "accept", "content": {"allow": true}}))
    }
}

#[tokio::test]
async fn a_question_of_a_server_carries_the_trace_back() {
    let url = served(None, HttpOptions::new()).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for era in [Era::Legacy, Era::Modern] {
        let person = Person::default();
        let connection = Connection::to(&front(&url)).era(era);
        let connection = connection.answers(Arc::new(person.clone()));
        let client = connection.open().await.unwrap();
        let trace = TraceContext::parse(parent, None).unwrap();
        trace
            .clone()
            .scope(call(&client, "wipe", "x"))
            .await
            .unwrap();
        let asked_in = person.0.lock().unwrap().take();
        assert_eq!(asked_in, Some(trace), "{era:?}");
    }
}

#[test]
fn s_i1_no_argument_result_token_or_message_is_in_a_span() {
    let ((), recording) = Recording::of(first(), async |_| {
        let options = HttpOptions::new().token(SECRET, "acme/support/ada".parse().unwrap());
        let url = served(None, options).await;
        let front = front(&url);
        let front = front.with_header("Authorization", &format!("Bearer {SECRET}"));
        let connection = Connection::to(&front.unwrap());
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceContext::parse(trace, Some(SECRET)).unwrap();
        let trace = trace.with_baggage(SECRET);
        let asking = async { ask_for_everything(&connection.open().await.unwrap()).await };
        trace.scope(asking).await;
        // The control: what is put into a span is found, so the words would be too.
        let _control = tracing::info_span!(target: "keyway_mcp::control", "control", said = SECRET);
    });
    let spans = recording.spans();
    let (control, spans) = spans.split_last().unwrap();
    assert!(format!("{control:?}").contains(SECRET));
    assert_eq!(lines(spans, "mcp.server").len(), 12);
    assert!(!format!("{spans:?}").contains(SECRET), "{spans:#?}");
    let callers: Vec<_> = recording.with("mcp.server", "keyway.caller", "acme/support/ada");
    assert_eq!(callers.len(), 12);
}
