//! An rmcp service as tools of a host: its own `ServerHandler`, or a `ToolRouter` inside a `Router`.
//!
//! The service runs in this process, behind a pipe in memory: rmcp hands its tools a peer that only a
//! session has. This module names types of rmcp, so the feature follows rmcp's major version.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use keyway_host::runtime::Enforcement;
use keyway_plugin_api::{Arguments, CallCx, Tool, ToolDescriptor, ToolError, ToolOutput};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{RoleServer, Service};

use crate::McpError;
use crate::client::{Child, Connection, Era, Launched};
use crate::config::McpServer;
use crate::tools::{KeptOut, Link, RemoteTool, read_tools};

/// Bytes that may be on their way between the host and the service.
const PIPE: usize = 64 * 1024;

/// The tools of an rmcp service, ready for [`HostBuilder::tool`](keyway_host::HostBuilder::tool).
#[derive(Debug)]
#[non_exhaustive]
pub struct RmcpTools {
    /// The tools; the service runs as long as one of them is there.
    pub tools: Vec<AdaptedTool>,
    /// Those that were kept out, with reasons.
    pub kept_out: Vec<KeptOut>,
}

/// One tool of an rmcp service.
#[derive(Clone)]
pub struct AdaptedTool(Arc<RemoteTool>);

impl RmcpTools {
    /// Takes over the tools of a service. The service is the embedder's own code, so its hints are
    /// believed.
    ///
    /// # Errors
    /// Any [`McpError`] that a server could give too.
    pub async fn of(service: impl Service<RoleServer>) -> Result<Self, McpError> {
        let ((near, far), server) = (tokio::io::duplex(PIPE), own());
        let (input, output) = tokio::io::split(far);
        let running = tokio::spawn(async move {
            let served =
                rmcp::serve_server(service, AsyncRwTransport::new_server(input, output)).await;
            if let Ok(served) = served {
                let _ended = served.waiting().await;
            }
        });
        let (stdout, stdin) = tokio::io::split(near);
        let launched = Launched::new(
            stdin,
            stdout,
            tokio::io::empty(),
            Inside(running),
            Enforcement::Declared,
        );
        let client = Connection::to(&server)
            .era(Era::Legacy)
            .open_launched(launched)
            .await?;
        let reading = read_tools(&server, &client.list_tools().await?);
        let link = Link::to(client);
        let tool = |descriptor| AdaptedTool(Arc::new(RemoteTool::new(descriptor, link.clone())));
        Ok(Self {
            tools: reading
                .tools
                .into_iter()
                .map(|read| tool(read.descriptor))
                .collect(),
            kept_out: reading.kept_out,
        })
    }
}

/// The configuration of what is no server of an operator's.
fn own() -> McpServer {
    McpServer::linked("linked-rmcp-service")
}

/// A service that runs in this process.
struct Inside(tokio::task::JoinHandle<()>);

#[async_trait]
impl Child for Inside {
    async fn wait(&mut self) -> String {
        match (&mut self.0).await {
            Ok(()) => "the service ended".to_owned(),
            Err(error) => format!("the service failed: {error}"),
        }
    }

    async fn kill(&mut self) {
        self.0.abort();
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl Tool for AdaptedTool {
    fn descriptor(&self) -> &ToolDescriptor {
        self.0.descriptor()
    }

    async fn call(&self, arguments: Arguments<'_>, cx: &CallCx) -> Result<ToolOutput, ToolError> {
        self.0.call(arguments, cx).await
    }
}

impl fmt::Debug for AdaptedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdaptedTool")
            .field(&self.0.descriptor().name)
            .finish()
    }
}
