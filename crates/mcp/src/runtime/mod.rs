//! Runs MCP servers as plugins of a host.

mod instance;
mod supervise;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use keyway_host::runtime::{Launch, PluginRuntime, StartError, Started};
use keyway_plugin_api::{Capability, Manifest, PluginId, RuntimeKind};

use crate::client::{Answers, Connection, Launcher, OAuthClient, PlainLauncher, TraceLink, Values};
use crate::config::McpServer;
use crate::offers::Offers;
use crate::tools::Link;

/// How often a server's tools are looked at again without being asked to.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// Runs MCP servers as plugins.
///
/// Give it to [`HostBuilder::runtime`](keyway_host::HostBuilder::runtime), and each server's
/// [`McpServer::manifest`] to
/// [`HostBuilder::declared_plugin`](keyway_host::HostBuilder::declared_plugin). Nothing of a server
/// runs before an operator has approved it; its tools are those that were approved or none.
///
/// ```
/// use keyway_host::Host;
/// use keyway_host::rank::Trust;
/// use keyway_mcp::{McpRuntime, McpServer};
///
/// let memory = McpServer::stdio("memory", "npx", ["-y", "@modelcontextprotocol/server-memory@2026.8.31"])?;
/// let host = Host::builder("my-agent", "1.0.0")
///     .runtime(McpRuntime::new())
///     .declared_plugin(memory.manifest(), Trust::Trusted)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "give it to a host"]
pub struct McpRuntime {
    launcher: Arc<dyn Launcher>,
    answers: Option<Arc<dyn Answers>>,
    oauth: BTreeMap<PluginId, OAuthClient>,
    search: Option<Vec<PathBuf>>,
    environment: Values,
    link: Option<Arc<dyn TraceLink>>,
    look_again: Duration,
    live: Arc<RwLock<BTreeMap<PluginId, Link>>>,
}

impl Default for McpRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl McpRuntime {
    /// Makes a runtime that starts local servers without a jail, answers no questions of servers and
    /// knows no value for `${env:…}`.
    pub fn new() -> Self {
        Self {
            launcher: Arc::new(PlainLauncher::new()),
            answers: None,
            oauth: BTreeMap::new(),
            search: None,
            environment: Arc::new(|_| None),
            link: None,
            look_again: LOOK_AGAIN,
            live: Arc::default(),
        }
    }

    /// Says who starts local servers: a jail, for example.
    pub fn launcher(mut self, launcher: impl Launcher) -> Self {
        self.launcher = Arc::new(launcher);
        self
    }

    /// Says who answers the questions of servers.
    pub fn answers(mut self, answers: impl Answers) -> Self {
        self.answers = Some(Arc::new(answers));
        self
    }

    /// Joins the spans of requests to servers to a tracer's.
    pub fn trace_link(mut self, link: impl TraceLink) -> Self {
        self.link = Some(Arc::new(link));
        self
    }

    /// Signs in to one server where it wants that.
    pub fn oauth(mut self, server: PluginId, client: OAuthClient) -> Self {
        self.oauth.insert(server, client);
        self
    }

    /// Sets the folders in which programs are looked for, which are the `PATH` of the servers too;
    /// `/usr/local/bin`, `/usr/bin` and `/bin` without it.
    pub fn search(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.search = Some(folders.into_iter().collect());
        self
    }

    /// Sets what stands for `${env:NAME}` in a configuration. The operator has seen the name in the
    /// manifest; the value is the embedder's to give.
    pub fn environment(
        mut self,
        value: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.environment = Arc::new(value);
        self
    }

    /// Sets how often a server's tools are looked at again without being asked to; five minutes
    /// without it.
    pub fn look_again(mut self, every: Duration) -> Self {
        self.look_again = every;
        self
    }

    /// Returns what a running server offers beside tools: resources and prompts. Those are for the
    /// embedder: nothing of them is given to an agent by keyway.
    #[must_use]
    pub fn offers(&self, server: &PluginId) -> Option<Offers> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.get(server).cloned().map(Offers::new)
    }

    fn connection(&self, server: &McpServer, launch: &Launch) -> Connection {
        let environment = Arc::clone(&self.environment);
        let secrets = launch.env.clone();
        let mut connection = Connection::to(server)
            .launcher(Arc::clone(&self.launcher))
            .values(move |name| match name.split_once(':') {
                Some(("env", name)) => environment(name),
                Some(("secret", name)) => secrets.get(name).map(|value| value.expose().to_owned()),
                _ => None,
            });
        let (read, write) = granted_files(&launch.granted);
        connection = connection.files(read, write);
        if let Some(answers) = &self.answers {
            connection = connection.answers(Arc::clone(answers));
        }
        if let Some(link) = &self.link {
            connection = connection.trace_link(Arc::clone(link));
        }
        if let Some(oauth) = self.oauth.get(server.id()) {
            connection = connection.oauth(oauth.clone());
        }
        if let Some(search) = &self.search {
            connection = connection.search(search.iter().cloned());
        }
        if let Some(package) = &launch.source_path {
            connection = connection.package(package);
        }
        connection
    }
}

/// Returns the absolute paths that were granted, for reading and for writing.
fn granted_files(granted: &[Capability]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut may_read, mut may_write) = (Vec::new(), Vec::new());
    for capability in granted {
        let Capability::Filesystem { read, write } = capability else {
            continue;
        };
        let absolute = |path: &&String| path.starts_with('/');
        may_read.extend(read.iter().filter(absolute).map(PathBuf::from));
        may_write.extend(write.iter().filter(absolute).map(PathBuf::from));
    }
    (may_read, may_write)
}

#[async_trait]
impl PluginRuntime for McpRuntime {
    fn supports(&self, manifest: &Manifest) -> bool {
        manifest
            .runtime()
            .is_some_and(|runtime| runtime.kind == RuntimeKind::Mcp)
    }

    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        let failed = |reason: String| StartError::Failed { reason };
        let server =
            McpServer::from_manifest(&launch.manifest).map_err(|e| failed(e.to_string()))?;
        let connection = self.connection(&server, &launch);
        instance::start(self, server, connection, &launch).await
    }
}

impl fmt::Debug for McpRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpRuntime").finish_non_exhaustive()
    }
}
