//! Opens a session: starts or reaches the server, finds out its era.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use keyway_plugin_api::PluginId;
use rmcp::RoleClient;
use rmcp::model::{ProtocolVersion, SubscriptionFilter};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, ClientServiceExt, Peer, RunningService,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{AuthClient, StreamableHttpClientTransport};
use tokio::sync::watch;

use super::answers::{Answers, NoAnswers};
use super::auth::OAuthClient;
use super::era::Era;
use super::handler::{Changes, Handler, ProgressTable};
use super::launcher::{LastWords, LaunchSpec, Launched, Launcher, PlainLauncher, find_program};
use super::lines::Lines;
use super::request::deep;
use super::session::{Process, Session};
use super::shelf::Shelf;
use super::tapped::Tapped;
use super::trace::{TraceContext, TraceLink};
use super::{McpClient, ServerFacts};
use crate::McpError;
use crate::config::{ConfigError, HttpServer, McpServer, Place, StdioServer, fill};
use crate::span::{RequestSpan, Subject, Wire};

/// How long a server has to answer when it is opened.
const OPEN: Duration = Duration::from_secs(30);
/// Largest list and largest single message of a server over HTTP, in bytes.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;

/// Fills a placeholder: `env:NAME`, `secret:NAME` or `PLUGIN_ROOT`.
pub(crate) type Values = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// How to reach one server: the server and what is needed for it.
#[derive(Clone)]
#[must_use = "call `.open()`"]
pub struct Connection {
    server: McpServer,
    answers: Arc<dyn Answers>,
    launcher: Arc<dyn Launcher>,
    oauth: Option<OAuthClient>,
    package: Option<PathBuf>,
    search: Vec<PathBuf>,
    values: Values,
    era: Option<Era>,
    files: (Vec<PathBuf>, Vec<PathBuf>),
    name: (String, String),
    link: Option<Arc<dyn TraceLink>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// A session that was opened, and what was learned on the way.
pub(super) struct Connected {
    pub(super) session: Session,
    pub(super) facts: ServerFacts,
    pub(super) changes: watch::Receiver<Changes>,
}

impl Connection {
    /// Begins a connection to a server: without a jail, with no answers to its questions, with no
    /// values for placeholders.
    pub fn to(server: &McpServer) -> Self {
        Self {
            server: server.clone(),
            answers: Arc::new(NoAnswers),
            launcher: Arc::new(PlainLauncher::new()),
            oauth: None,
            package: None,
            search: ["/usr/local/bin", "/usr/bin", "/bin"]
                .map(PathBuf::from)
                .to_vec(),
            values: Arc::new(|_| None),
            era: None,
            files: (Vec::new(), Vec::new()),
            name: ("keyway".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            link: None,
        }
    }

    /// Says who answers the server's questions.
    pub fn answers(mut self, answers: Arc<dyn Answers>) -> Self {
        self.answers = answers;
        self
    }

    /// Says who starts a local server's program.
    pub fn launcher(mut self, launcher: Arc<dyn Launcher>) -> Self {
        self.launcher = launcher;
        self
    }

    /// Signs in where the server wants that.
    pub fn oauth(mut self, oauth: OAuthClient) -> Self {
        self.oauth = Some(oauth);
        self
    }

    /// Sets the folder of the package that brings the server.
    pub fn package(mut self, folder: impl Into<PathBuf>) -> Self {
        self.package = Some(folder.into());
        self
    }

    /// Sets the folders in which programs are looked for, which are the child's `PATH` too.
    pub fn search(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.search = folders.into_iter().collect();
        self
    }

    /// Sets the files that a local server was granted, for a launcher that confines: those it may
    /// read, and the folders it may write.
    pub fn files(mut self, read: Vec<PathBuf>, write: Vec<PathBuf>) -> Self {
        self.files = (read, write);
        self
    }

    /// Sets what stands for `${env:NAME}` and `${secret:NAME}`; it gets what stands between the
    /// braces.
    pub fn values(
        mut self,
        values: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.values = Arc::new(values);
        self
    }

    /// Speaks one era only; without it the server is asked.
    pub fn era(mut self, era: Era) -> Self {
        self.era = Some(era);
        self
    }

    /// Sets the name and the version under which this client introduces itself.
    pub fn introduce(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.name = (name.into(), version.into());
        self
    }

    /// Joins the spans of requests to a tracer's.
    pub fn trace_link(mut self, link: Arc<dyn TraceLink>) -> Self {
        self.link = Some(link);
        self
    }

    pub(super) fn id(&self) -> &PluginId {
        self.server.id()
    }

    /// Opens the session.
    ///
    /// # Errors
    /// [`McpError::Unreachable`] when the server does not start or answer,
    /// [`McpError::Authorization`] when it wants somebody to sign in and nobody can.
    pub async fn open(self) -> Result<McpClient, McpError> {
        let connected = self.connect(None).await?;
        Ok(McpClient::new(self, connected))
    }

    /// Connects; `challenge` is what the server wants before it answers.
    pub(super) async fn connect(&self, challenge: Option<&str>) -> Result<Connected, McpError> {
        let wanted = self.era.unwrap_or(Era::Modern).opening();
        let span = RequestSpan::sent(Subject::method(wanted), &self.wire(), None);
        let connecting = async {
            match &self.server.place {
                Place::Http(server) => self.connect_http(server, challenge).await,
                Place::Stdio(server) => self.connect_stdio(server).await,
            }
        };
        // Beside the span and not inside it: rmcp opens a span for the whole session, which would
        // keep this one open.
        let connected = match span.outgoing(self.link.as_deref()) {
            Some(trace) => trace.scope(connecting).await,
            None => connecting.await,
        };
        match &connected {
            Ok(Connected { facts, .. }) => span.opened(facts.era.opening(), &facts.protocol),
            Err(error) => span.failed(error.code()),
        }
        connected
    }

    fn wire(&self) -> Wire {
        Wire::to(&self.server, self.link.clone())
    }

    async fn connect_stdio(&self, server: &StdioServer) -> Result<Connected, McpError> {
        if let Some(path) = crate::config::changed_file(server) {
            let reason = format!("{path} is not the file that was approved");
            return Err(self.unreachable(reason));
        }
        let spec = self
            .launch_spec(server)
            .map_err(|reason| self.unreachable(reason))?;
        let launched = self.launcher.launch(&spec).await;
        let launched = launched.map_err(|reason| self.unreachable(reason))?;
        self.connect_launched(launched).await
    }

    /// Opens a session with what runs already.
    #[cfg(feature = "rmcp-adapter")]
    pub(crate) async fn open_launched(self, launched: Launched) -> Result<McpClient, McpError> {
        let connected = self.connect_launched(launched).await?;
        Ok(McpClient::new(self, connected))
    }

    async fn connect_launched(&self, launched: Launched) -> Result<Connected, McpError> {
        let mut process = Process {
            child: launched.child,
            words: LastWords::listen(launched.stderr),
            enforcement: launched.enforcement,
        };
        let shelf = Arc::new(Shelf::default());
        let lines = Lines::new(launched.stdout, launched.stdin, Arc::clone(&shelf));
        let (handler, changes) = self.handler();
        let opening = handler.serve_with_lifecycle(lines, self.lifecycle());
        let service = match tokio::time::timeout(OPEN, opening).await {
            Ok(Ok(service)) => service,
            Ok(Err(error)) => {
                process.child.kill().await;
                let words = process.words.last(3).await;
                return Err(self.unreachable(format!("{}; it wrote: {words}", deep(&error))));
            }
            Err(_) => {
                process.child.kill().await;
                return Err(self.too_slow());
            }
        };
        Ok(self.connected(service, shelf, Some(process), changes))
    }

    async fn connect_http(
        &self,
        server: &HttpServer,
        challenge: Option<&str>,
    ) -> Result<Connected, McpError> {
        let http = crate::tls::client().map_err(|reason| self.unreachable(reason))?;
        let shelf = Arc::new(Shelf::default());
        let tapped = Tapped {
            http,
            shelf: Arc::clone(&shelf),
        };
        let config = self
            .transport(server)
            .map_err(|e| self.unreachable(e.to_string()))?;
        let mut challenge = challenge.map(str::to_owned);
        for _ in 0..2 {
            let (handler, changes) = self.handler();
            let opened = match &challenge {
                None => {
                    let transport =
                        StreamableHttpClientTransport::with_client(tapped.clone(), config.clone());
                    tokio::time::timeout(
                        OPEN,
                        handler.serve_with_lifecycle(transport, self.lifecycle()),
                    )
                    .await
                }
                Some(challenge) => {
                    let manager = self.authorized(server, challenge).await?;
                    let client = AuthClient::new(tapped.clone(), manager);
                    let transport =
                        StreamableHttpClientTransport::with_client(client, config.clone());
                    tokio::time::timeout(
                        OPEN,
                        handler.serve_with_lifecycle(transport, self.lifecycle()),
                    )
                    .await
                }
            };
            let error: ClientInitializeError = match opened {
                Ok(Ok(service)) => return Ok(self.connected(service, shelf, None, changes)),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.too_slow()),
            };
            match error.auth_challenge() {
                Some(wanted) if challenge.is_none() => challenge = Some(wanted.to_owned()),
                Some(_) => return Err(self.unauthorized("it refuses what it gave out itself")),
                None => return Err(self.unreachable(deep(&error))),
            }
        }
        Err(self.unauthorized("it refuses what it gave out itself"))
    }

    async fn authorized(
        &self,
        server: &HttpServer,
        challenge: &str,
    ) -> Result<rmcp::transport::AuthorizationManager, McpError> {
        let Some(oauth) = &self.oauth else {
            return Err(self.unauthorized("nobody was set to sign in"));
        };
        let manager = oauth.authorize(server.url(), challenge).await;
        manager.map_err(|reason| self.unauthorized(reason))
    }

    fn connected(
        &self,
        service: RunningService<RoleClient, Arc<Handler>>,
        shelf: Arc<Shelf>,
        process: Option<Process>,
        changes: watch::Receiver<Changes>,
    ) -> Connected {
        let facts = facts_of(service.peer());
        let wire = (self.wire(), facts.protocol.as_str());
        let session = Session::watch_over(service, shelf, process, wire);
        if facts.era == Era::Modern {
            tokio::spawn(listen(session.peer.clone(), Arc::clone(&session.handler)));
        }
        Connected {
            session,
            facts,
            changes,
        }
    }

    fn lifecycle(&self) -> ClientLifecycleMode {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        match self.era {
            Some(Era::Legacy) => ClientLifecycleMode::Initialize,
            Some(Era::Modern) => ClientLifecycleMode::Discover { preferred_versions },
            None => ClientLifecycleMode::Auto {
                preferred_versions,
                legacy_version: Some(ProtocolVersion::V_2025_11_25),
            },
        }
    }

    fn handler(&self) -> (Arc<Handler>, watch::Receiver<Changes>) {
        let (changes, seen) = watch::channel(Changes::default());
        let handler = Handler {
            server: self.server.id().clone(),
            answers: Arc::clone(&self.answers),
            changes,
            progress: ProgressTable::default(),
            client_name: self.name.0.clone(),
            client_version: self.name.1.clone(),
            trace: TraceContext::current(),
        };
        (Arc::new(handler), seen)
    }

    fn launch_spec(&self, server: &StdioServer) -> Result<LaunchSpec, String> {
        let filled = |text: &str| self.fill(text).map_err(|e| e.to_string());
        let program = filled(&server.command)?;
        let program = find_program(&program, self.package.as_deref(), &self.search)?;
        let args = server
            .args
            .iter()
            .map(|arg| filled(arg))
            .collect::<Result<_, _>>()?;
        let mut env = std::collections::BTreeMap::new();
        for (name, value) in &server.env {
            env.insert(name.clone(), filled(value)?);
        }
        let folders: Vec<_> = self
            .search
            .iter()
            .map(|f| f.to_string_lossy().into_owned())
            .collect();
        env.insert("PATH".to_owned(), folders.join(":"));
        let folder = match &server.folder {
            Some(folder) => self.base().join(filled(folder)?),
            None => self.base().to_owned(),
        };
        Ok(LaunchSpec {
            plugin: self.server.id().clone(),
            program,
            args,
            env,
            folder,
            read: self.files.0.clone(),
            write: self.files.1.clone(),
        })
    }

    fn base(&self) -> &Path {
        self.package.as_deref().unwrap_or(Path::new("/"))
    }

    fn transport(
        &self,
        server: &HttpServer,
    ) -> Result<StreamableHttpClientTransportConfig, ConfigError> {
        let mut headers = HashMap::new();
        for (name, value) in &server.headers {
            let header = HeaderName::try_from(name).ok();
            let filled = HeaderValue::try_from(self.fill(value)?).ok();
            let (Some(header), Some(mut filled)) = (header, filled) else {
                return Err(ConfigError::shape(
                    format!("/headers/{name}"),
                    "it is no header",
                ));
            };
            filled.set_sensitive(true);
            headers.insert(header, filled);
        }
        Ok(StreamableHttpClientTransportConfig::with_uri(server.url())
            .custom_headers(headers)
            .max_sse_event_size(MESSAGE_MAX)
            .max_json_response_size(MESSAGE_MAX))
    }

    fn fill(&self, text: &str) -> Result<String, ConfigError> {
        let root = self
            .package
            .as_ref()
            .map(|p| p.to_string_lossy().into_owned());
        fill(text, &|name| match name {
            "PLUGIN_ROOT" | "CLAUDE_PLUGIN_ROOT" => root.clone(),
            _ => (self.values)(name),
        })
    }

    pub(super) fn unreachable(&self, reason: impl Into<String>) -> McpError {
        McpError::Unreachable {
            server: self.id().to_string(),
            reason: reason.into(),
        }
    }

    fn unauthorized(&self, reason: impl Into<String>) -> McpError {
        McpError::Authorization {
            server: self.id().to_string(),
            reason: reason.into(),
        }
    }

    fn too_slow(&self) -> McpError {
        McpError::TimedOut {
            server: self.id().to_string(),
            method: Era::Modern.opening().to_owned(),
            limit_ms: u64::try_from(OPEN.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn facts_of(peer: &Peer<RoleClient>) -> ServerFacts {
    let info = peer.peer_info();
    let info = info.as_deref();
    let protocol = info
        .map(|i| i.protocol_version.to_string())
        .unwrap_or_default();
    let name = info.and_then(|i| i.server_info.as_ref());
    ServerFacts {
        era: match protocol.as_str() >= "2026" {
            true => Era::Modern,
            false => Era::Legacy,
        },
        protocol,
        name: name.map(|n| n.name.clone()),
        version: name.map(|n| n.version.clone()),
        instructions: info.and_then(|i| i.instructions.clone()),
        capabilities: info
            .and_then(|i| serde_json::to_value(&i.capabilities).ok())
            .unwrap_or_default(),
    }
}

/// Hears of changes from a modern server, which tells only who asked.
async fn listen(peer: Peer<RoleClient>, handler: Arc<Handler>) {
    use rmcp::model::ServerNotification as Said;
    let filter = SubscriptionFilter::builder()
        .tools_list_changed()
        .resources_list_changed()
        .prompts_list_changed()
        .build();
    let Ok(mut subscription) = peer.listen(filter).await else {
        return;
    };
    while let Ok(Some(said)) = subscription.next().await {
        match said {
            Said::ToolListChangedNotification(_) => handler.changed(|c| c.tools += 1),
            Said::ResourceListChangedNotification(_) => handler.changed(|c| c.resources += 1),
            Said::PromptListChangedNotification(_) => handler.changed(|c| c.prompts += 1),
            _ => {}
        }
    }
}

impl McpClient {
    /// Signs in again and opens a new session in place of the old one.
    pub(super) async fn authorize_again(&self, challenge: &str) -> Result<(), McpError> {
        let connected = self.0.connection.connect(Some(challenge)).await?;
        *self.0.session.write().await = connected.session;
        Ok(())
    }
}
