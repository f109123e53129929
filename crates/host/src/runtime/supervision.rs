//! How a runtime tells the host what became of an instance.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use keyway_plugin_api::{LogLevel, PluginId, Tool, ToolName};

use crate::engine::Engine;
use crate::host::shown;
use crate::notice::Notice;

/// The handle of one instance. Cloning is cheap; it keeps nothing alive, and is without effect
/// once its instance was replaced or stopped.
///
/// Everything here is done when the function returns: after [`Supervision::down`] no call begins.
#[derive(Clone)]
pub struct Supervision {
    engine: Weak<Engine>,
    plugin: PluginId,
    instance: u64,
}

/// Why an instance does not serve any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What happened, for an operator.
    pub reason: String,
    /// The last lines that the plugin wrote, oldest first. Untrusted text.
    pub last_lines: Vec<String>,
    /// When it will be tried again; `None` when only an operator can bring it back.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Makes a failure after which only an operator can bring the plugin back.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            last_lines: Vec::new(),
            retry_after: None,
        }
    }

    /// Adds the last lines that the plugin wrote.
    #[must_use]
    pub fn with_last_lines(mut self, lines: Vec<String>) -> Self {
        self.last_lines = lines;
        self
    }

    /// Says when it will be tried again.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

impl Supervision {
    pub(crate) fn new(engine: &Arc<Engine>, plugin: PluginId, instance: u64) -> Self {
        Self {
            engine: Arc::downgrade(engine),
            plugin,
            instance,
        }
    }

    /// Returns the plugin.
    #[must_use]
    pub fn plugin(&self) -> &PluginId {
        &self.plugin
    }

    /// Returns the number of the instance, unique while the host runs: its generation.
    #[must_use]
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// Takes the plugin's tools out in one swap, records why, and tells the operator.
    pub fn down(&self, failure: &Failure) {
        if let Some(engine) = self.engine.upgrade() {
            shown::down(&engine, (&self.plugin, self.instance), failure);
        }
    }

    /// Puts the same tools back in one swap.
    pub fn up(&self) {
        if let Some(engine) = self.engine.upgrade() {
            shown::up(&engine, (&self.plugin, self.instance));
        }
    }

    /// Says that the plugin now describes its tools otherwise. Tools that are gone go; where one is
    /// new or changed, all of them go in one swap and the plugin waits for an operator.
    pub fn redefined(&self, tools: Vec<Arc<dyn Tool>>) {
        if let Some(engine) = self.engine.upgrade() {
            shown::redefined(&engine, (&self.plugin, self.instance), tools);
        }
    }

    /// Takes one tool out that made the plugin fail; the others stay.
    pub fn strike_out(&self, tool: &ToolName, reason: &str) {
        if let Some(engine) = self.engine.upgrade() {
            shown::strike_out(&engine, (&self.plugin, self.instance), tool, reason);
        }
    }

    /// Tells the operator something that changes nothing; it is recorded too.
    pub fn notice(&self, level: LogLevel, message: impl Into<String>) {
        if let Some(engine) = self.engine.upgrade() {
            let notice = Notice {
                level,
                plugin: self.plugin.clone(),
                message: message.into(),
                detail: Vec::new(),
            };
            shown::tell(&engine, notice);
        }
    }
}

impl fmt::Debug for Supervision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervision")
            .field("plugin", &self.plugin)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}
