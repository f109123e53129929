//! Serves over Streamable HTTP: who may come in, and from where.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use keyway_host::digest::Digest;
use keyway_host::scope::Scope;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use super::Endpoint;
use super::handler::Handler;
use super::seen::Seen;
use super::traced::Traced;

/// Largest request, in bytes.
const BODY_MAX: usize = 4 * 1024 * 1024;

/// Who may come in over HTTP, and under which names.
///
/// Without more, only this machine is served: the `Host` of a request must be a loopback name, and a
/// browser's page (a request with the `Origin` of another server) is refused, so that no web page reaches the host through
/// the user's browser (DNS rebinding).
#[derive(Clone, Default)]
#[must_use = "give it to `Endpoint::http`"]
pub struct HttpOptions {
    hosts: Vec<String>,
    origins: Vec<String>,
    tokens: Vec<(Digest, Scope)>,
}

impl HttpOptions {
    /// Begins with this machine only, and no tokens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves under another host name as well; with a port where it is to be checked.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Lets the pages of an origin in, as `https://app.example.com:443` or `http://localhost:*`.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Lets the bearer of a token in, as an agent of this scope. With one token, requests without one
    /// are refused. Only the digest of a token is kept.
    pub fn token(mut self, token: &str, scope: Scope) -> Self {
        self.tokens.push((Digest::of(token.as_bytes()), scope));
        self
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("hosts", &self.hosts)
            .field("origins", &self.origins)
            .field("tokens", &self.tokens.len())
            .finish()
    }
}

/// An endpoint that is served over HTTP at `/mcp`.
#[must_use = "call `.serve(…)`"]
pub struct HttpEndpoint {
    endpoint: Endpoint,
    options: HttpOptions,
}

/// The view of the bearer of a token, in a request that was let in.
#[derive(Clone)]
struct Bearer(Arc<Seen>);

type Bearers = Arc<BTreeMap<String, Arc<Seen>>>;

impl HttpEndpoint {
    pub(super) fn new(endpoint: Endpoint, options: HttpOptions) -> Self {
        Self { endpoint, options }
    }

    /// Serves until `stop` is done. Sessions that are open then are ended.
    ///
    /// Bind the listener to a loopback address unless there are tokens.
    ///
    /// # Errors
    /// What the listener gives.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let ending = tokio_util::sync::CancellationToken::new();
        let port = listener.local_addr()?.port();
        let router = self.router(port, ending.clone());
        let stopped = async move {
            stop.await;
            ending.cancel();
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(stopped)
            .await
    }

    fn router(self, port: u16, ending: tokio_util::sync::CancellationToken) -> Router {
        let bearer = |(token, scope): &(Digest, Scope)| {
            let view = self.endpoint.host.view(scope.clone());
            (token.to_string(), Arc::new(Seen::by(view)))
        };
        let bearers: Bearers = Arc::new(self.options.tokens.iter().map(bearer).collect());
        let mut hosts = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        hosts.extend(self.options.hosts);
        let mut config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts)
            .enforce_origin_validation()
            .with_max_request_body_bytes(BODY_MAX)
            .with_cancellation_token(ending);
        config.allowed_origins = self.options.origins;
        // What this very port serves is no stranger's page.
        let own = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}"));
        config.allowed_origins.extend(own);
        let endpoint = Arc::new(self.endpoint);
        let service = StreamableHttpService::new(
            move || Ok(Traced(Handler::new(Arc::clone(&endpoint)))),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        Router::new()
            .route_service("/mcp", service)
            .layer(axum::middleware::from_fn_with_state(bearers, let_in))
    }
}

/// Lets the bearers of tokens in, where there are any.
async fn let_in(State(bearers): State<Bearers>, mut request: Request, next: Next) -> Response {
    if bearers.is_empty() {
        return next.run(request).await;
    }
    let given = request.headers().get(header::AUTHORIZATION);
    let token = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    // The map holds digests, so looking one up tells nothing about the tokens.
    let digest = token.map(|token| Digest::of(token.trim().as_bytes()).to_string());
    let Some(seen) = digest.and_then(|digest| bearers.get(&digest).cloned()) else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    };
    request.extensions_mut().insert(Bearer(seen));
    next.run(request).await
}

/// Returns what the sender of a request sees, where a token said who that is.
pub(super) fn bearer_of(context: &RequestContext<RoleServer>) -> Option<&Arc<Seen>> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Bearer>().map(|bearer| &bearer.0)
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEndpoint")
            .field("endpoint", &self.endpoint)
            .field("options", &self.options)
            .finish()
    }
}
