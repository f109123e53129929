//! Why an operation on a host did not happen.

use keyway_plugin_api::PluginId;

use crate::audit::AuditError;
use crate::catalog::CatalogError;
use crate::package::PackageError;
use crate::runtime::StartError;

/// Says why an operation did not happen; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The trail cannot be written, and privileged acts may not happen unrecorded.
    #[error("the operation was not carried out: {0}")]
    Audit(#[from] AuditError),
    /// The catalog refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The package cannot be read.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The plugin did not start; whatever ran before still does.
    #[error("{plugin} did not start: {source}")]
    Start {
        /// The plugin.
        plugin: PluginId,
        /// Why.
        #[source]
        source: StartError,
    },
    /// The async runtime is shutting down.
    #[error("the host is shutting down")]
    Stopping,
}

impl HostError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Audit(error) => error.code(),
            Self::Catalog(error) => error.code(),
            Self::Package(error) => error.code(),
            Self::Start { source, .. } => source.code(),
            Self::Stopping => "STOPPING",
        }
    }

    /// Returns the plugin it is about, where it is about one.
    #[must_use]
    pub fn plugin_id(&self) -> Option<&PluginId> {
        match self {
            Self::Catalog(error) => error.plugin_id(),
            Self::Start { plugin, .. } => Some(plugin),
            _ => None,
        }
    }

    /// Returns what to do next, one sentence each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Audit(error) => error.hints().into_iter().map(str::to_owned).collect(),
            Self::Catalog(error) => error.hints(),
            Self::Package(error) => error.hints(),
            Self::Start { plugin, .. } => {
                vec![format!("see what it said: keyway audit --plugin {plugin}")]
            }
            Self::Stopping => Vec::new(),
        }
    }
}
