//! One span for each request of MCP, sent or received, in the words of OpenTelemetry's conventions.
//!
//! Arguments, results, headers and the words of an error never go into a span. Where no subscriber
//! wants the span, nothing is computed for it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use keyway_host::text::excerpt;
use keyway_plugin_api::PluginId;
use rmcp::model::{CallToolResult, ClientRequest, RequestId};
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span};

use crate::client::{TraceContext, TraceLink};
use crate::config::{McpServer, Place};

/// What `error.type` says of a tool that says that it failed.
const TOOL_ERROR: &str = "tool_error";
/// What `error.type` says of a request that was given up, as of a call in the host.
const CANCELLED: &str = "CANCELLED";

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    method: &'a str,
    thing: Thing<'a>,
}

/// The one thing that a request names.
#[derive(Debug, Clone, Copy)]
enum Thing<'a> {
    None,
    Prompt(&'a str),
    Resource(&'a str),
    Tool(&'a str),
}

impl<'a> Subject<'a> {
    pub(crate) fn of(request: &'a ClientRequest) -> Self {
        let thing = match request {
            ClientRequest::CallToolRequest(call) => Thing::Tool(&call.params.name),
            ClientRequest::GetPromptRequest(get) => Thing::Prompt(&get.params.name),
            ClientRequest::ReadResourceRequest(read) => Thing::Resource(&read.params.uri),
            ClientRequest::SubscribeRequest(watch) => Thing::Resource(&watch.params.uri),
            ClientRequest::UnsubscribeRequest(watch) => Thing::Resource(&watch.params.uri),
            _ => Thing::None,
        };
        let method = request.method();
        Self { method, thing }
    }

    pub(crate) fn method(method: &'a str) -> Self {
        let thing = Thing::None;
        Self { method, thing }
    }

    /// A call of a tool; of none where a client named one that is not there, so that it fills no
    /// span with names of its own.
    pub(crate) fn call(tool: Option<&'a str>) -> Self {
        let method = "tools/call";
        let thing = tool.map_or(Thing::None, Thing::Tool);
        Self { method, thing }
    }

    pub(crate) fn prompt_named(name: &'a str) -> Self {
        let (method, thing) = ("prompts/get", Thing::Prompt(name));
        Self { method, thing }
    }

    pub(crate) fn resource_at(method: &'a str, uri: &'a str) -> Self {
        let thing = Thing::Resource(uri);
        Self { method, thing }
    }

    fn operation(self) -> Option<&'static str> {
        (self.method == "tools/call").then_some("execute_tool")
    }

    fn prompt(self) -> Option<Cow<'a, str>> {
        match self.thing {
            Thing::Prompt(name) => Some(excerpt(name)),
            _ => None,
        }
    }

    fn resource(self) -> Option<Cow<'a, str>> {
        match self.thing {
            Thing::Resource(uri) => Some(excerpt(uri)),
            _ => None,
        }
    }

    fn tool(self) -> Option<Cow<'a, str>> {
        match self.thing {
            Thing::Tool(name) => Some(excerpt(name)),
            _ => None,
        }
    }
}

/// Writes the span's name; addresses of resources are too many to be in one.
impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thing {
            Thing::Prompt(name) | Thing::Tool(name) => {
                write!(f, "{} {}", excerpt(self.method), excerpt(name))
            }
            Thing::None | Thing::Resource(_) => f.write_str(&excerpt(self.method)),
        }
    }
}

/// What all requests to one server have in common.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) server: PluginId,
    /// Host and port, where it is reached over HTTP.
    pub(crate) address: Option<(String, u16)>,
    pub(crate) link: Option<Arc<dyn TraceLink>>,
}

impl Wire {
    pub(crate) fn to(server: &McpServer, link: Option<Arc<dyn TraceLink>>) -> Self {
        let address = match &server.place {
            Place::Http(server) => host_and_port(server.url()),
            Place::Stdio(_) => None,
        };
        let server = server.id().clone();
        Self {
            server,
            address,
            link,
        }
    }
}

fn host_and_port(url: &str) -> Option<(String, u16)> {
    let url: http::Uri = url.parse().ok()?;
    let default = match url.scheme_str() {
        Some("http") => 80,
        _ => 443,
    };
    Some((url.host()?.to_owned(), url.port_u16().unwrap_or(default)))
}

/// Where a request that was received comes from.
pub(crate) struct Origin<'a> {
    pub(crate) caller: &'a str,
    pub(crate) is_http: bool,
    pub(crate) session: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
}

/// What an answer tells of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told<'a> {
    /// The tool says that it failed.
    Failure,
    Nothing,
    /// The version that is spoken from now on.
    Version(&'a str),
}

impl Told<'_> {
    pub(crate) fn of_call(result: &CallToolResult) -> Self {
        match result.is_error {
            Some(true) => Self::Failure,
            _ => Self::Nothing,
        }
    }
}

macro_rules! request_span {
    ($target:literal, $name:literal, $kind:literal, $subject:expr, $is_http:expr, $($more:tt)*) => {
        tracing::info_span!(
            target: $target,
            $name,
            otel.kind = $kind,
            otel.name = %$subject,
            otel.status_code = Empty,
            mcp.method.name = &*excerpt($subject.method),
            mcp.resource.uri = $subject.resource().as_deref(),
            gen_ai.operation.name = $subject.operation(),
            gen_ai.prompt.name = $subject.prompt().as_deref(),
            gen_ai.tool.name = $subject.tool().as_deref(),
            jsonrpc.request.id = Empty,
            network.protocol.name = $is_http.then_some("http"),
            network.transport = if $is_http { "tcp" } else { "pipe" },
            rpc.response.status_code = Empty,
            "error.type" = Empty,
            $($more)*
        )
    };
}

/// The span of one request, open until it is said how the request ended.
#[must_use = "say how the request ended"]
pub(crate) struct RequestSpan {
    span: Span,
    is_ended: bool,
}

impl RequestSpan {
    /// Opens the span of a request to a server.
    pub(crate) fn sent(subject: Subject<'_>, wire: &Wire, version: Option<&str>) -> Self {
        let address = wire.address.as_ref();
        Self::new(request_span!(
            "keyway_mcp::client",
            "mcp.client",
            "client",
            subject,
            address.is_some(),
            keyway.plugin = wire.server.as_str(),
            mcp.protocol.version = version,
            server.address = address.map(|(host, _)| host.as_str()),
            server.port = address.map(|(_, port)| *port),
        ))
    }

    /// Opens the span of a request of a client.
    pub(crate) fn received(subject: Subject<'_>, origin: &Origin<'_>) -> Self {
        Self::new(request_span!(
            "keyway_mcp::server",
            "mcp.server",
            "server",
            subject,
            origin.is_http,
            keyway.caller = origin.caller,
            mcp.protocol.version = origin.version,
            mcp.session.id = origin.session,
        ))
    }

    fn new(span: Span) -> Self {
        let is_ended = false;
        Self { span, is_ended }
    }

    /// Runs what the request does inside the span.
    pub(crate) async fn around<T>(&self, request: impl Future<Output = T>) -> T {
        request.instrument(self.span.clone()).await
    }

    /// Returns the trace that goes along with the request.
    pub(crate) fn outgoing(&self, link: Option<&dyn TraceLink>) -> Option<TraceContext> {
        let linked = link.and_then(|link| link.context_of(&self.span));
        linked.or_else(TraceContext::current)
    }

    /// Makes the trace that came along with the request the span's. To be called before the span is
    /// used otherwise.
    pub(crate) fn continues(&self, link: Option<&dyn TraceLink>, trace: &TraceContext) {
        if let Some(link) = link {
            link.adopt(&self.span, trace);
        }
    }

    pub(crate) fn has_number(&self, id: &RequestId) {
        self.span.record("jsonrpc.request.id", display(id));
    }

    fn speaks(&self, version: &str) {
        self.span.record("mcp.protocol.version", version);
    }

    /// Ends the span of a request that has an answer, which can tell of a failure too.
    pub(crate) fn answered(mut self, told: Told<'_>) {
        match told {
            Told::Failure => self.fails(TOOL_ERROR),
            Told::Nothing => {}
            Told::Version(version) => self.speaks(version),
        }
        self.is_ended = true;
    }

    /// Ends the span of a request that was answered with one of JSON-RPC's errors.
    pub(crate) fn refused(mut self, number: i32, is_failure: bool) {
        let number = number.to_string();
        self.span
            .record("rpc.response.status_code", number.as_str());
        if is_failure {
            self.fails(&number);
        }
        self.is_ended = true;
    }

    /// Ends the span of a request that has no answer.
    pub(crate) fn failed(mut self, kind: &str) {
        self.fails(kind);
        self.is_ended = true;
    }

    /// Ends the span of what opened a session, and says how that was opened.
    pub(crate) fn opened(mut self, method: &str, version: &str) {
        self.span.record("otel.name", method);
        self.span.record("mcp.method.name", method);
        self.speaks(version);
        self.is_ended = true;
    }

    fn fails(&self, kind: &str) {
        self.span.record("error.type", kind);
        self.span.record("otel.status_code", "ERROR");
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.is_ended {
            self.fails(CANCELLED);
        }
    }
}
