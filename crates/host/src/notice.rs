//! What operators are told while a host runs.

use keyway_plugin_api::{LogLevel, PluginId};
use serde::Serialize;
use tokio::sync::broadcast;

/// Something an operator should know now: a plugin failed, came back, lost a tool.
///
/// Texts come from plugins too: print them with [`printable`](crate::text::printable). Everything
/// here is in the audit trail as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Notice {
    /// How important it is.
    pub level: LogLevel,
    /// The plugin it is about.
    pub plugin: PluginId,
    /// What happened, one line.
    pub message: String,
    /// More about it: the last lines that the plugin wrote, for example.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
}

/// Notices that wait for a slow reader; older ones are dropped first.
const KEPT: usize = 256;

/// Where notices go out to everybody who listens.
#[derive(Debug)]
pub(crate) struct Notices(broadcast::Sender<Notice>);

impl Notices {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.subscribe()
    }

    pub(crate) fn tell(&self, notice: Notice) {
        tracing::warn!(plugin = %notice.plugin, "{}", notice.message.escape_debug());
        // Nobody has to listen.
        drop(self.0.send(notice));
    }
}
