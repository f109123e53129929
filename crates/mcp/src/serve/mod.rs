//! A host view served as an MCP server: to whoever speaks 2025-06-18, 2025-11-25 or 2026-07-28.
//!
//! Everything goes through the view: what it does not list is not there, and a call takes the host's
//! one path. Nothing here decides.

mod announce;
mod call;
mod convert;
mod handler;
mod http;
mod offer;
mod seen;
mod served;
mod state;
mod traced;

use std::fmt;
use std::sync::Arc;

use keyway_host::Host;
use keyway_host::scope::Scope;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};

pub use announce::Announcer;
pub use http::{HttpEndpoint, HttpOptions};
pub use offer::{Completions, Refusal, ServedPrompts, ServedResources};
pub use served::{AskError, AskingApprover, LogLine, ServedCall};

use crate::McpError;
use crate::client::TraceLink;
use handler::Handler;
use seen::Seen;
use state::StateKeeper;
use traced::Traced;

/// A host view served as an MCP server.
///
/// ```no_run
/// use std::sync::Arc;
/// use keyway_host::{Host, scope::Scope};
/// use keyway_mcp::Endpoint;
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Arc::new(Host::builder("my-agent", "1.0.0").build()?);
/// host.start().await;
/// Endpoint::new(host, Scope::everywhere()).serve_stdio().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "serve it"]
pub struct Endpoint {
    pub(crate) host: Arc<Host>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) instructions: Option<String>,
    pub(crate) resources: Option<Arc<dyn ServedResources>>,
    pub(crate) prompts: Option<Arc<dyn ServedPrompts>>,
    pub(crate) completions: Option<Arc<dyn Completions>>,
    pub(crate) announcer: Announcer,
    pub(crate) states: Arc<StateKeeper>,
    pub(crate) link: Option<Arc<dyn TraceLink>>,
}

impl Endpoint {
    /// Makes an endpoint that serves what an agent at this scope may call.
    pub fn new(host: Arc<Host>, scope: Scope) -> Self {
        let seen = Arc::new(Seen::by(host.view(scope)));
        Self {
            name: host.name().to_owned(),
            version: host.version().to_owned(),
            host,
            seen,
            instructions: None,
            resources: None,
            prompts: None,
            completions: None,
            announcer: Announcer::new(),
            states: Arc::new(StateKeeper::new()),
            link: None,
        }
    }

    /// Says what a model should know of this server.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// Serves resources too.
    pub fn resources(mut self, resources: impl ServedResources) -> Self {
        self.resources = Some(Arc::new(resources));
        self
    }

    /// Serves prompts too.
    pub fn prompts(mut self, prompts: impl ServedPrompts) -> Self {
        self.prompts = Some(Arc::new(prompts));
        self
    }

    /// Completes arguments of prompts and resource templates.
    pub fn completions(mut self, completions: impl Completions) -> Self {
        self.completions = Some(Arc::new(completions));
        self
    }

    /// Says under which name and version the server introduces itself; the host's without it.
    pub fn introduce(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.name = name.into();
        self.version = version.into();
        self
    }

    /// Joins the spans of requests to a tracer's.
    pub fn trace_link(mut self, link: impl TraceLink) -> Self {
        self.link = Some(Arc::new(link));
        self
    }

    /// Returns the handle with which clients are told of changed prompts and resources. Changed tools
    /// are told by themselves.
    #[must_use]
    pub fn announcer(&self) -> Announcer {
        self.announcer.clone()
    }

    /// Serves over this process's standard input and output, until the input ends. Nothing else may
    /// write to standard output meanwhile.
    ///
    /// # Errors
    /// [`McpError::Protocol`] when the client never opens a session.
    pub async fn serve_stdio(self) -> Result<(), McpError> {
        self.serve_io(tokio::io::stdin(), tokio::io::stdout()).await
    }

    /// Serves over a pair of pipes, until the input ends.
    ///
    /// # Errors
    /// As [`Endpoint::serve_stdio`].
    pub async fn serve_io(
        self,
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), McpError> {
        let transport = AsyncRwTransport::new_server(input, output);
        let protocol = |what: String| McpError::Protocol {
            server: "the client".to_owned(),
            what,
        };
        let handler = Traced(Handler::new(Arc::new(self)));
        let service = match rmcp::serve_server(handler, transport).await {
            Ok(service) => service,
            // A client that goes before it began is no error.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => return Err(protocol(error.to_string())),
        };
        let ended = service.waiting().await;
        ended.map(drop).map_err(|e| protocol(e.to_string()))
    }

    /// Serves over Streamable HTTP.
    pub fn http(self, options: HttpOptions) -> HttpEndpoint {
        HttpEndpoint::new(self, options)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("caller", self.seen.view.caller())
            .finish_non_exhaustive()
    }
}
