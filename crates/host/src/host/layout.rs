//! The layout of a plugin's state: which version it is of, and bringing it to another.
//!
//! The version stands in the state itself, under a key that no plugin can reach, so that entries
//! and version change in one write: a crash leaves the old layout or the new one, and the next
//! start brings what is old to what runs then.

use keyway_plugin_api::{LogLevel, PluginId, StateEntries};

use super::Host;
use super::live::Prepared;
use crate::runtime::StartError;

/// Keys that begin so belong to the host.
pub(crate) const RESERVED: char = '\0';
/// Holds the version of the layout, in decimal; 1 where it is absent.
const LAYOUT: &str = "\0layout";

/// State in a new layout, to be written when its plugin is shown.
#[derive(Debug)]
pub(super) struct NewLayout {
    from: u32,
    to: u32,
    entries: StateEntries,
}

impl Host {
    /// Lets an instance that has started bring a copy of the state to its own layout. Nothing is
    /// written yet.
    pub(super) async fn new_layout(
        &self,
        ready: &Prepared,
    ) -> Result<Option<NewLayout>, StartError> {
        let Some((to, instance)) = ready.state_version().zip(ready.instance()) else {
            return Ok(None);
        };
        let exported = self.engine.effects.export_state(ready.plugin()).await;
        let mut entries = exported.map_err(|e| failed(ready.plugin(), &e.to_string()))?;
        let from = version_of(&mut entries);
        if from == to {
            return Ok(None);
        }
        if from > to && !entries.is_empty() {
            let reason = format!(
                "it is of version {from} and this plugin writes version {to}: install a newer one"
            );
            return Err(failed(ready.plugin(), &reason));
        }
        if !entries.is_empty() {
            let brought = instance.migrate_state(from, entries).await;
            entries = brought.map_err(|e| failed(ready.plugin(), &e.to_string()))?;
        }
        entries.retain(|key, _| !key.starts_with(RESERVED));
        entries.insert(LAYOUT.to_owned(), to.to_string().into_bytes());
        Ok(Some(NewLayout { from, to, entries }))
    }

    /// Writes new layouts down. A plugin whose state could not be written is not shown.
    pub(super) async fn write_layouts(&self, prepared: Vec<Prepared>) -> Vec<Prepared> {
        let mut written = Vec::new();
        for mut ready in prepared {
            match self.write_layout(&mut ready).await {
                Ok(()) => written.push(ready),
                Err(error) => {
                    self.record_failure(ready.plugin(), &error);
                    ready.discard(&self.engine).await;
                }
            }
        }
        written
    }

    async fn write_layout(&self, ready: &mut Prepared) -> Result<(), StartError> {
        let Some(new) = ready.take_layout() else {
            return Ok(());
        };
        let plugin = ready.plugin();
        let replaced = self.engine.effects.replace_state(plugin, new.entries).await;
        replaced.map_err(|e| failed(plugin, &e.to_string()))?;
        let (from, to) = (new.from, new.to);
        let message = format!("its state was brought from version {from} to version {to}");
        let notice = super::shown::notice(LogLevel::Info, plugin, &message);
        super::shown::tell(&self.engine, notice);
        Ok(())
    }
}

fn failed(plugin: &PluginId, reason: &str) -> StartError {
    StartError::State {
        plugin: plugin.to_string(),
        reason: reason.to_owned(),
    }
}

/// Takes the version out of the entries.
fn version_of(entries: &mut StateEntries) -> u32 {
    let bytes = entries.remove(LAYOUT);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(1)
}
