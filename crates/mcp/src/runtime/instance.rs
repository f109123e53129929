//! One server that runs: its start and its stop.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use keyway_host::runtime::{Launch, RunningPlugin, StartError, Started, Supervision};
use keyway_plugin_api::{LogLevel, PluginId, Staged, Tool, ToolDescriptor};
use tokio::task::JoinHandle;

use super::McpRuntime;
use super::supervise::Supervisor;
use crate::McpError;
use crate::client::{Connection, McpClient};
use crate::config::McpServer;
use crate::tools::{KeptOut, Link, RemoteTool, ToolReading, read_tools};

pub(super) async fn start(
    runtime: &McpRuntime,
    server: McpServer,
    connection: Connection,
    launch: &Launch,
) -> Result<Started, StartError> {
    let limit = launch.limits.start.saturating_mul(2);
    let opening = async {
        let client = connection.clone().open().await?;
        let reading = read(&server, &client).await?;
        Ok::<_, McpError>((client, reading))
    };
    let opened = tokio::time::timeout(limit, opening).await;
    let (client, reading) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            return Err(StartError::Failed {
                reason: error.to_string(),
            });
        }
        Err(_) => {
            return Err(StartError::TimedOut {
                stage: "start",
                limit_ms: limit.as_millis().try_into().unwrap_or(u64::MAX),
            });
        }
    };
    report(&launch.supervision, &reading.kept_out);
    let enforcement = client.enforcement().await;
    let link = Link::to(client.clone());
    let tools = tools(&reading, &link);
    let id = server.id().clone();
    runtime
        .live
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(id.clone(), link.clone());
    let supervisor = Supervisor {
        server,
        connection,
        supervision: launch.supervision.clone(),
        link: link.clone(),
        approved: descriptors(&reading),
        look_again: runtime.look_again,
    };
    let instance: Arc<dyn RunningPlugin> = Arc::new(Instance {
        id,
        link,
        task: tokio::spawn(supervisor.run(client)),
        live: Arc::clone(&runtime.live),
    });
    Ok(Started::new(staged(tools), instance, enforcement))
}

fn staged(tools: Vec<Arc<dyn Tool>>) -> Staged {
    let mut staged = Staged::default();
    staged.tools = tools;
    staged
}

/// Reads a server's tools, where it offers any.
pub(super) async fn read(server: &McpServer, client: &McpClient) -> Result<ToolReading, McpError> {
    if client.facts().capabilities.get("tools").is_none() {
        return Ok(ToolReading::default());
    }
    Ok(read_tools(server, &client.list_tools().await?))
}

pub(super) fn tools(reading: &ToolReading, link: &Link) -> Vec<Arc<dyn Tool>> {
    let tool = |descriptor: &ToolDescriptor| -> Arc<dyn Tool> {
        Arc::new(RemoteTool::new(descriptor.clone(), link.clone()))
    };
    reading
        .tools
        .iter()
        .map(|read| tool(&read.descriptor))
        .collect()
}

pub(super) fn descriptors(reading: &ToolReading) -> Vec<ToolDescriptor> {
    reading
        .tools
        .iter()
        .map(|tool| tool.descriptor.clone())
        .collect()
}

/// Tells the operator which tools were kept out and why.
pub(super) fn report(supervision: &Supervision, kept_out: &[KeptOut]) {
    for out in kept_out {
        let message = format!("its tool `{}` is kept out: {}", out.tool, out.reason);
        supervision.notice(LogLevel::Warn, message);
    }
}

struct Instance {
    id: PluginId,
    link: Link,
    task: JoinHandle<()>,
    live: Arc<RwLock<BTreeMap<PluginId, Link>>>,
}

#[async_trait]
impl RunningPlugin for Instance {
    async fn stop(&self) {
        self.task.abort();
        let client = self.link.set(None);
        self.forget();
        if let Some(client) = client {
            client.close().await;
        }
    }
}

impl Instance {
    /// A newer instance may have taken its place already.
    fn forget(&self) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live
            .get(&self.id)
            .is_some_and(|link| link.client().is_none())
        {
            live.remove(&self.id);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
        self.link.set(None);
    }
}
