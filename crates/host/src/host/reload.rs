//! Following what changed in a plugin's source.

use std::path::Path;

use keyway_plugin_api::PluginId;

use super::change::OperationReport;
use super::{Host, HostError, live};
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
        let gap = match mode {
            ReloadMode::TeardownFirst if self.is_started() => {
                let began_us = self.engine.time.monotonic_us();
                self.take_down(plugin).await;
                Some(began_us)
            }
            _ => None,
        };
        let waits = plan.starts().is_empty();
        let result = self.apply(plan).await;
        if let Some(began_us) = gap {
            // Brings back the version that the catalog still has, where the new one did not come.
            self.follow_catalog(false).await;
            let gone_us = self.engine.time.monotonic_us().saturating_sub(began_us);
            return result.map(|report| with_downtime(report, plugin, waits, gone_us));
        }
        // The new instance takes over in one swap; there was no moment without an answer.
        result
    }

    async fn take_down(&self, plugin: &PluginId) {
        let live = self.live.lock().await.remove(plugin);
        if let Some(live) = live {
            live::withdraw(&self.engine, std::slice::from_ref(plugin));
            self.record_stopped(plugin);
            live::stop(&self.engine, live).await;
        }
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

fn with_downtime(
    mut report: OperationReport,
    plugin: &PluginId,
    waits: bool,
    gone_us: u64,
) -> OperationReport {
    if !waits {
        let ms = gone_us.div_ceil(1000);
        report.result.message = format!("Reloaded {plugin}. Downtime: {ms}ms.");
    }
    report
}

fn reload_failed(plugin: &PluginId, reason: &str) -> CatalogError {
    CatalogError::ReloadFailed {
        plugin: plugin.clone(),
        stage: ReloadStage::Read,
        reason: reason.to_owned(),
    }
}
