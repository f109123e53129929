//! Where calls wait while a plugin is replaced of which only one instance can run.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyway_plugin_api::PluginId;
use tokio::sync::Notify;

/// Most calls that wait at once; more are refused as before.
const PLACES: usize = 32;
/// How long a call waits at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// The plugins that are being replaced, and the calls that wait for them.
#[derive(Default)]
pub(crate) struct Parking {
    closed: Mutex<BTreeSet<PluginId>>,
    taken: AtomicUsize,
    opened: Notify,
}

impl Parking {
    /// Lets calls of some plugins wait until the guard is dropped.
    pub(crate) fn close(&self, plugins: &[PluginId]) -> Closed<'_> {
        self.closed().extend(plugins.iter().cloned());
        Closed {
            parking: self,
            plugins: plugins.to_vec(),
        }
    }

    /// Waits until a plugin's replacement is over. Tells whether it had to wait and may try again.
    pub(crate) async fn wait(&self, plugin: &PluginId) -> bool {
        if !self.closed().contains(plugin) {
            return false;
        }
        let before = self.taken.fetch_add(1, Ordering::AcqRel);
        let _place = Place(&self.taken);
        if before >= PLACES {
            return false;
        }
        let over = async {
            loop {
                let opened = self.opened.notified();
                if !self.closed().contains(plugin) {
                    return;
                }
                opened.await;
            }
        };
        tokio::time::timeout(PATIENCE, over).await.is_ok()
    }

    fn closed(&self) -> MutexGuard<'_, BTreeSet<PluginId>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// While it is here, calls of its plugins wait.
#[must_use]
pub(crate) struct Closed<'a> {
    parking: &'a Parking,
    plugins: Vec<PluginId>,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let mut closed = self.parking.closed();
        for plugin in &self.plugins {
            closed.remove(plugin);
        }
        drop(closed);
        self.parking.opened.notify_waiters();
    }
}

impl fmt::Debug for Parking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parking")
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}
