//! Following what changed in a plugin's source.

use std::path::Path;

use keyway_plugin_api::PluginId;

use super::change::OperationReport;
use super::{Host, HostError};
use crate::catalog::{CatalogError, Operation, ReloadStage};
use crate::package::Package;

/// In which order a reload replaces an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "new before old, or old before new")]
pub enum ReloadMode {
    /// The new instance runs before the old one goes: no call is lost.
    #[default]
    StartFirst,
    /// The old instance goes first, for a plugin that holds something only one can hold.
    TeardownFirst,
}

impl Host {
    /// Reads a plugin's source again and restarts it, without a moment in which nobody answers.
    ///
    /// A plugin whose manifest says `"overlap": false`, or whose state changes its version, is
    /// stopped first; its calls wait meanwhile, 32 of them for 5 s at most.
    ///
    /// # Errors
    /// [`CatalogError::ReloadFailed`] with the stage; the old instance serves on.
    pub async fn reload(&self, plugin: &PluginId) -> Result<OperationReport, HostError> {
        self.reload_in(plugin, ReloadMode::StartFirst).await
    }

    /// Reads a plugin's source again and restarts it, in the order that the mode says. The
    /// report's message has the measured time in which nobody answered.
    ///
    /// # Errors
    /// [`CatalogError::ReloadFailed`] with the stage; the old version serves on, in teardown-first
    /// mode as a new instance of it.
    pub async fn reload_in(
        &self,
        plugin: &PluginId,
        mode: ReloadMode,
    ) -> Result<OperationReport, HostError> {
        let candidate = Box::new(self.read_again(plugin)?);
        let operation = Operation::Reload {
            plugin: plugin.clone(),
            candidate,
        };
        let plan = self.plan(&operation)?;
        if mode == ReloadMode::StartFirst || plan.starts().is_empty() || !self.is_started() {
            // The new instance takes over in one swap; there is no moment without an answer.
            return self.apply(plan).await;
        }
        let lives = self.live.lock().await;
        self.apply_alone(lives, plan, std::slice::from_ref(plugin))
            .await
    }

    /// Reads the source of an installed plugin again, as a candidate for a reload.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], or [`CatalogError::ReloadFailed`] when it cannot be read.
    pub fn read_again(&self, plugin: &PluginId) -> Result<crate::catalog::Candidate, CatalogError> {
        let state = self.catalog();
        let Some(entry) = state.entry(plugin) else {
            return Err(CatalogError::NotFound {
                plugin: plugin.clone(),
            });
        };
        let found = self
            .found
            .iter()
            .find(|f| f.package.manifest.name() == plugin);
        let package = match (&entry.source_path, found) {
            (Some(path), _) => Package::read(Path::new(path), &self.engine.limits)
                .map_err(|e| reload_failed(plugin, &e.to_string()))?,
            (None, Some(found)) => found.package.clone(),
            (None, None) => return Err(reload_failed(plugin, "it has no source to read")),
        };
        if package.manifest.name() != plugin {
            let name = package.manifest.name();
            return Err(reload_failed(
                plugin,
                &format!("its source is now called {name}"),
            ));
        }
        let candidate = if entry.source_path.is_some() {
            package.candidate()
        } else {
            crate::catalog::Candidate::new(&package.manifest, package.digest)
        };
        Ok(candidate
            .with_precedence(entry.precedence)
            .with_trust(entry.keyway.trust)
            .with_scope(entry.keyway.scope.clone()))
    }
}

fn reload_failed(plugin: &PluginId, reason: &str) -> CatalogError {
    CatalogError::ReloadFailed {
        plugin: plugin.clone(),
        stage: ReloadStage::Read,
        reason: reason.to_owned(),
    }
}
