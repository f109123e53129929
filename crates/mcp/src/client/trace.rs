//! Telemetry of requests: spans with OpenTelemetry's names for MCP, and a trace that goes along.

use keyway_plugin_api::PluginId;
use tracing::{Span, field};

tokio::task_local! {
    static TRACE: TraceContext;
}

/// The trace that a call belongs to, as W3C Trace Context writes it.
///
/// Set around a call with [`TraceContext::scope`]; requests to servers inside carry it in `_meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// Takes a `traceparent` (`00-<32 hex>-<16 hex>-<2 hex>`) and a `tracestate`; `None` for what is
    /// no `traceparent`.
    ///
    /// ```
    /// use keyway_mcp::TraceContext;
    /// let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// assert!(TraceContext::parse(parent, None).is_some());
    /// assert!(TraceContext::parse("00-xyz", None).is_none());
    /// ```
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let parts: Vec<_> = parent.split('-').collect();
        let sizes: Vec<_> = parts.iter().map(|part| part.len()).collect();
        let is_hex = |part: &&str| {
            part.bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let is_fit = sizes == [2, 32, 16, 2] && parts.iter().all(is_hex);
        let state =
            state.filter(|s| s.len() <= 512 && s.bytes().all(|b| (0x20..0x7f).contains(&b)));
        is_fit.then(|| Self {
            parent: parent.to_owned(),
            state: state.map(str::to_owned),
        })
    }

    /// Runs a future inside this trace.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        TRACE.scope(self, future).await
    }

    /// Returns the trace that runs here.
    #[must_use]
    pub fn current() -> Option<Self> {
        TRACE.try_with(Clone::clone).ok()
    }

    /// Returns the `traceparent`.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// Returns the `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Makes the span of a request to a server.
pub(crate) fn client_span(server: &PluginId, method: &'static str, tool: Option<&str>) -> Span {
    let span = tracing::info_span!(
        target: "keyway_mcp::client",
        "mcp.client",
        otel.kind = "client",
        mcp.method.name = method,
        mcp.server = %server,
        mcp.protocol.version = field::Empty,
        gen_ai.operation.name = field::Empty,
        gen_ai.tool.name = field::Empty,
        gen_ai.tool.type = field::Empty,
        rpc.system = "jsonrpc",
        error.type = field::Empty,
    );
    if let Some(tool) = tool {
        span.record("gen_ai.operation.name", "execute_tool");
        span.record("gen_ai.tool.name", tool);
        span.record("gen_ai.tool.type", "extension");
    }
    span
}
