//! A session with one MCP server: both eras, both transports, everything read as plain JSON.
//!
//! This module speaks to a server and decides nothing about it: what may be called is the gate's,
//! which tools are fit to be called is [`crate::tools`]'s. No type of the protocol library leaves it.

mod answers;
mod auth;
mod connect;
mod era;
mod handler;
#[cfg(unix)]
mod jail;
mod launcher;
mod lines;
mod lists;
mod request;
mod salvage;
mod session;
mod shelf;
mod tapped;
mod trace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keyway_plugin_api::PluginId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{RwLock, mpsc, watch};

pub use answers::{Answerable, Answers, Question};
pub use auth::{Authorizer, OAuthClient};
pub use connect::Connection;
pub(crate) use connect::Values;
pub use era::Era;
pub use handler::Changes;
#[cfg(unix)]
pub use jail::JailLauncher;
pub use launcher::{Child, LaunchSpec, Launched, Launcher, PlainLauncher};
pub use trace::{TraceContext, TraceLink};

use crate::McpError;
pub(crate) use salvage::UNREADABLE;

use connect::Connected;
use session::Session;

/// A report of progress from a server.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// How much there is in all, where the server knows.
    pub total: Option<f64>,
    /// The server's words.
    pub message: Option<String>,
}

/// How long a request may take, and who hears how far it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallOptions {
    /// How long the server may be silent; a report of progress begins it anew.
    pub silence: Duration,
    /// How long the request may take, whatever the server reports.
    pub limit: Duration,
    /// Where reports of progress go; those that nobody takes in time are dropped.
    pub progress: Option<mpsc::Sender<Progress>>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(60),
            limit: Duration::from_secs(600),
            progress: None,
        }
    }
}

impl CallOptions {
    /// Sets both limits.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self {
            silence: limit,
            limit,
            progress: None,
        }
    }

    /// Sends reports of progress somewhere.
    #[must_use]
    pub fn with_progress(mut self, progress: mpsc::Sender<Progress>) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// What a tool gave back, in MCP's own shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallReply {
    /// Its parts for a model: text, image, audio, resource, link.
    #[serde(default)]
    pub content: Vec<Value>,
    /// Its structured result, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// Whether the tool says that it failed.
    #[serde(default)]
    pub is_error: bool,
}

/// What a server says about itself. None of it can be relied on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServerFacts {
    /// The version of the protocol that is spoken with it.
    pub protocol: String,
    /// The era of that version.
    pub era: Era,
    /// The name that it gives itself; no identity.
    pub name: Option<String>,
    /// The version that it gives itself.
    pub version: Option<String>,
    /// What it says a model should know; shown to operators, given to no model by keyway.
    pub instructions: Option<String>,
    /// What it offers, as MCP's capabilities.
    pub capabilities: Value,
}

/// A session with one server. Cloning is cheap; the last clone that is dropped ends the session.
///
/// ```no_run
/// use keyway_mcp::{CallOptions, Connection, McpServer};
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// let server = McpServer::stdio("memory", "/usr/bin/mcp-server-memory", [] as [&str; 0])?;
/// let client = Connection::to(&server).open().await?;
/// for tool in client.list_tools().await? {
///     println!("{}", tool["name"]);
/// }
/// let reply = client.call("read_graph", serde_json::json!({}), CallOptions::default()).await?;
/// assert!(!reply.is_error);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct McpClient(Arc<Inner>);

struct Inner {
    connection: Connection,
    facts: ServerFacts,
    session: RwLock<Session>,
    changes: watch::Receiver<Changes>,
    ended: watch::Receiver<Option<String>>,
}

impl McpClient {
    fn new(connection: Connection, connected: Connected) -> Self {
        Self(Arc::new(Inner {
            connection,
            facts: connected.facts,
            changes: connected.changes,
            ended: connected.session.ended(),
            session: RwLock::new(connected.session),
        }))
    }

    /// Returns the server's name here, which is its plugin's id.
    #[must_use]
    pub fn id(&self) -> &PluginId {
        self.0.connection.id()
    }

    /// Returns what the server says about itself.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.0.facts
    }

    /// Watches the server's lists: a count goes up when the server says that a list changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Changes> {
        self.0.changes.clone()
    }

    /// Watches the end of the session: how it ended, once it did.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<Option<String>> {
        self.0.ended.clone()
    }

    /// Returns how firmly the server's process is held.
    pub(crate) async fn enforcement(&self) -> keyway_host::runtime::Enforcement {
        self.0.session.read().await.enforcement
    }

    /// Ends the session: closes the server's input, waits a moment, then kills what is left.
    pub async fn close(&self) {
        let session = self.0.session.read().await.clone();
        session.close().await;
    }

    fn protocol_error(&self, what: impl Into<String>) -> McpError {
        McpError::Protocol {
            server: self.id().to_string(),
            what: what.into(),
        }
    }
}

impl fmt::Debug for McpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpClient")
            .field("server", self.id())
            .field("protocol", &self.0.facts.protocol)
            .finish_non_exhaustive()
    }
}
