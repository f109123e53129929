//! Follows what other hosts and operators change in the same catalog.

use std::sync::Arc;
use std::time::Duration;

use keyway_plugin_api::PluginId;

use super::{Host, HostError, holdings};
use crate::catalog::{CatalogEntry, CatalogState, Operation};
use crate::runtime::StartError;

impl Host {
    /// Takes over what others changed in the catalog file: stops what may no longer run, starts
    /// what may, restarts what was approved in another version. Tells whether anything was new.
    ///
    /// # Errors
    /// [`HostError::Catalog`] when the file cannot be read; what runs goes on as it was.
    pub async fn refresh(&self) -> Result<bool, HostError> {
        let catalog = Arc::clone(&self.engine.catalog);
        let read = tokio::task::spawn_blocking(move || catalog.refresh()).await;
        if !read.map_err(|_| HostError::Stopping)?? {
            return Ok(false);
        }
        let has_changed = holdings::refresh_all(&self.engine);
        if self.is_started() {
            self.follow_catalog(has_changed).await;
        }
        Ok(true)
    }

    /// Follows the catalog file for as long as it is polled, looking every so often: what an
    /// operator changes with the `keyway` command then holds in this host too, within that time.
    ///
    /// Takes back, too, what crashes twice on the probation of a new version.
    ///
    /// An embedder spawns it beside its agent. A file that cannot be read is reported and tried
    /// again.
    pub async fn follow(&self, every: Duration) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.engine.shown.one_failed() => {}
            }
            self.roll_back_failed().await;
            if let Err(error) = self.refresh().await {
                tracing::warn!("the catalog could not be read again: {error}");
            }
        }
    }

    /// Brings what runs in line with the catalog.
    pub(super) async fn follow_catalog(&self, has_changed: bool) {
        let mut lives = self.live.lock().await;
        let state = self.catalog();
        // What runs other bytes than those approved now, or with other settings, goes, whether or not
        // the new one starts.
        let runs_it = |entry: &CatalogEntry| {
            let live = lives.get(&entry.manifest.name);
            live.is_some_and(|live| live.is_of(entry))
        };
        let may_stay = |id: &PluginId| live_entry(&state, id).is_some_and(runs_it);
        let stops: Vec<_> = lives.keys().filter(|id| !may_stay(id)).cloned().collect();
        let live = state.entries.keys().filter_map(|id| live_entry(&state, id));
        let new: Vec<_> = live.filter(|entry| !runs_it(entry)).collect();
        let mut prepared = Vec::new();
        for entry in new {
            match self.prepare_pinned(entry).await {
                Ok(ready) => prepared.push(ready),
                Err(error) => {
                    self.record_failure(&entry.manifest.name, &error);
                    self.ask_about_changed(&entry.manifest.name, error);
                }
            }
        }
        let prepared = self.write_layouts(prepared).await;
        self.show(&mut lives, &stops, prepared, has_changed).await;
    }

    /// Lets a plugin that registers other tools than those that were approved wait for an operator,
    /// who is shown what changed.
    fn ask_about_changed(&self, plugin: &PluginId, error: StartError) {
        let StartError::DefinitionChanged { changed, pins } = error else {
            return;
        };
        let operation = Operation::PinTools {
            plugin: plugin.clone(),
            pins,
            changes: changed,
        };
        if let Err(error) = self.engine.run_recorded(&operation) {
            tracing::warn!(%plugin, "its changed tools could not be written down: {error}");
        }
        super::refresh_holdings(&self.engine, plugin);
    }
}

fn live_entry<'a>(state: &'a CatalogState, id: &PluginId) -> Option<&'a CatalogEntry> {
    state.entry(id).filter(|entry| entry.is_live())
}
