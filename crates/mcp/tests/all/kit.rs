//! What the tests share: the real servers and our own hostile ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyway_host::approval::{ApprovalRequest, ApprovalSubject, Approver, Decision};
use keyway_host::limits::Limits;
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_host::view::View;
use keyway_host::{Host, HostBuilder};
use keyway_mcp::{Connection, McpClient, McpRuntime, McpServer};

use crate::judges::judges;

/// Folders in which the real servers and their node are found.
pub(crate) fn search() -> Vec<PathBuf> {
    let node = judges().node();
    let python = judges().python();
    [Path::new(&node).parent(), Path::new(&python).parent()]
        .into_iter()
        .flatten()
        .map(Path::to_owned)
        .chain(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from))
        .collect()
}

/// A real npm server, started by its script.
pub(crate) fn npm_server(id: &str, bin: &str, args: &[&str]) -> McpServer {
    let script = std::fs::canonicalize(judges().npm_bin(bin)).unwrap();
    let script = script.to_str().unwrap().to_owned();
    let args = std::iter::once(script).chain(args.iter().map(|a| (*a).to_owned()));
    McpServer::stdio(id, "node", args).unwrap()
}

/// One of our own servers, a Python script of the fixtures.
pub(crate) fn own_server(id: &str, script: &str, args: &[&str]) -> McpServer {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(script);
    let script = script.to_str().unwrap().to_owned();
    let args = std::iter::once(script).chain(args.iter().map(|a| (*a).to_owned()));
    McpServer::stdio(id, "python3", args).unwrap()
}

/// Approves all that a plugin asks for.
pub(crate) struct ApproveAll;

#[keyway_plugin_api::async_trait]
impl Approver for ApproveAll {
    async fn review(&self, _: &ApprovalRequest) -> Decision {
        Decision::Approve {
            optional: Vec::new(),
        }
    }
}

/// Approves each plugin the first time it asks, and every call; what a plugin asks after that waits.
pub(crate) struct ApproveFirst(std::sync::Mutex<std::collections::BTreeSet<String>>, bool);

impl ApproveFirst {
    pub(crate) fn new() -> Self {
        Self(Default::default(), true)
    }

    /// Approves no plugin any more.
    pub(crate) fn spent() -> Self {
        Self(Default::default(), false)
    }
}

#[keyway_plugin_api::async_trait]
impl Approver for ApproveFirst {
    async fn review(&self, request: &ApprovalRequest) -> Decision {
        let is_new = match &request.subject {
            ApprovalSubject::Plugin { plugin, .. } => {
                self.1 && self.0.lock().unwrap().insert(plugin.to_string())
            }
            _ => true,
        };
        match is_new {
            true => Decision::Approve {
                optional: Vec::new(),
            },
            false => Decision::Later,
        }
    }
}

pub(crate) fn runtime() -> McpRuntime {
    McpRuntime::new().search(search())
}

/// Our client alone, in a session with a server.
pub(crate) async fn connected(server: &McpServer) -> McpClient {
    let connection = Connection::to(server).search(search());
    connection.open().await.unwrap()
}

/// How long anything may take that has to happen: a machine that does other things is slow, and only what
/// never happens is to fail.
pub(crate) const CEILING: Duration = Duration::from_secs(60);

/// The beginning of every host of these tests.
pub(crate) fn builder() -> HostBuilder {
    let limits = Limits {
        start: CEILING,
        ..Limits::default()
    };
    Host::builder("test-agent", "1.0.0").limits(limits)
}

/// A host with some servers, everything approved, started.
pub(crate) async fn host_with(servers: &[McpServer]) -> Arc<Host> {
    host_of(runtime(), servers).await
}

/// The same, over a runtime of the test's own.
pub(crate) async fn host_of(runtime: McpRuntime, servers: &[McpServer]) -> Arc<Host> {
    let mut builder = builder().runtime(runtime).approver(ApproveAll);
    for server in servers {
        builder = builder.declared_plugin(server.manifest(), Trust::Trusted);
    }
    let host = Arc::new(builder.build().unwrap());
    let report = host.start().await;
    eprintln!("{report:#?}");
    host
}

pub(crate) fn view(host: &Host) -> View {
    host.view("acme/team/agent".parse::<Scope>().unwrap())
}

/// Waits until something is true.
pub(crate) async fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let came = tokio::time::timeout(CEILING, async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    came.await
        .unwrap_or_else(|_| panic!("it did not come about: {what}"));
}
