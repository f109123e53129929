//! What starting reports: one outcome per plugin, and never an error because one of them failed.

use keyway_plugin_api::{PluginId, Risk};
use serde::Serialize;

use crate::registry::{NameClash, Quarantined};
use crate::runtime::{Enforcement, StartError};

/// The outcomes of a start, in the order in which the plugins were looked at.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct StartReport {
    /// One outcome for each plugin.
    pub plugins: Vec<PluginOutcome>,
}

impl StartReport {
    /// Returns a plugin's outcome.
    #[must_use]
    pub fn plugin(&self, plugin: &str) -> Option<&PluginOutcome> {
        self.plugins
            .iter()
            .find(|outcome| outcome.plugin.as_str() == plugin)
    }

    /// Returns the outcomes of plugins that should run and do not.
    pub fn failures(&self) -> impl Iterator<Item = &PluginOutcome> {
        self.plugins
            .iter()
            .filter(|o| matches!(o.status, PluginStatus::Failed { .. }))
    }
}

/// What became of one plugin.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PluginOutcome {
    /// The plugin.
    pub plugin: PluginId,
    /// What became of it.
    #[serde(flatten)]
    pub status: PluginStatus,
    /// Tools that were refused because of their name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clashes: Vec<NameClash>,
    /// Tools that were kept out because of their description.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Quarantined>,
}

/// Where a plugin stands after a start.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PluginStatus {
    /// An operator said no.
    Denied,
    /// The operator switched it off, or it lost its slot and gives nothing else.
    Disabled,
    /// It should run and does not.
    #[serde(rename_all = "camelCase")]
    Failed {
        /// The stable code.
        code: &'static str,
        /// How far it got.
        stage: String,
        /// Why.
        reason: String,
    },
    /// It waits for an operator.
    #[serde(rename_all = "camelCase")]
    PendingApproval {
        /// How dangerous what it asks for is.
        risk: Risk,
        /// What it asks for, as tags.
        asks: Vec<String>,
    },
    /// It is never to run again.
    Revoked,
    /// It runs.
    #[serde(rename_all = "camelCase")]
    Running {
        /// Tools that may be named now.
        tools: usize,
        /// How firmly it is held to its grants.
        enforcement: Enforcement,
    },
    /// It is enabled and has nothing of its own to run.
    Ready,
}

impl PluginOutcome {
    pub(super) fn new(plugin: PluginId, status: PluginStatus) -> Self {
        Self {
            plugin,
            status,
            clashes: Vec::new(),
            quarantined: Vec::new(),
        }
    }

    pub(super) fn failed(plugin: PluginId, error: &StartError) -> Self {
        let status = PluginStatus::Failed {
            code: error.code(),
            stage: error.stage().to_owned(),
            reason: error.to_string(),
        };
        Self::new(plugin, status)
    }

    /// Tells whether the plugin runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.status, PluginStatus::Running { .. })
    }
}
