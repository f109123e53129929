//! The process runtime: what a host starts plugins with.

mod actor;
mod cache;
mod heart;
mod proxy;
mod registered;
mod shared;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use keyway_channel::message::{HostRequest, StateMigration};
use keyway_host::runtime::{
    Enforcement, Launch, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_plugin_api::{Manifest, RuntimeKind, StartFailure, StateEntries};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(crate) use registered::{Registered, accept};
pub(crate) use shared::Shared;

use crate::child::{Child, Order};
use crate::program::Store;
use crate::{ProcessError, ProcessOptions};
use shared::Command;

/// Starts plugins as confined child processes.
///
/// A plugin's tools stay the same values over restarts of its process. The level that is reported
/// is what the machine reached, never more.
///
/// ```
/// use keyway_host::Host;
/// use keyway_process::{ProcessOptions, ProcessRuntime};
///
/// let folder = tempfile::tempdir()?;
/// let runtime = ProcessRuntime::new(folder.path().join("store"), ProcessOptions::new())?;
/// let host = Host::builder("my-agent", "1.0.0")
///     .state_dir(folder.path().join(".keyway"))
///     .runtime(runtime)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ProcessRuntime {
    store: Store,
    options: ProcessOptions,
}

impl ProcessRuntime {
    /// Makes a runtime that keeps copies of approved packages, and what each registered, in a
    /// folder that it closes to everybody else.
    ///
    /// # Errors
    /// What the operating system said about the folder.
    pub fn new(store: impl AsRef<Path>, options: ProcessOptions) -> std::io::Result<Self> {
        let store = Store::open(store.as_ref())?;
        Ok(Self { store, options })
    }

    async fn open(&self, launch: Launch) -> Result<Started, ProcessError> {
        let order = Arc::new(Order {
            launch,
            options: self.options.clone(),
            store: self.store.clone(),
            sealed: OnceLock::new(),
            approved: OnceLock::new(),
            shared: Arc::new(Shared::new()),
        });
        let (expected, _) = order.expected()?;
        if self.options.is_lazy
            && let Some(known) = cache::load(&order)
            && let Ok(known) = accept(&order, known)
        {
            return Self::run(order, &known, (None, expected));
        }
        let (child, reached) = first(&order).await?;
        let registered = Arc::clone(&child.registered);
        cache::save(&order, &registered).await;
        Self::run(order, &registered, (Some(child), reached))
    }

    /// Hands the plugin over to who owns it from now on.
    fn run(
        order: Arc<Order>,
        registered: &Registered,
        (child, enforcement): (Option<Child>, Enforcement),
    ) -> Result<Started, ProcessError> {
        let staged = registered::stage(&order, registered)?;
        let instance = Instance(Arc::clone(&order));
        Arc::clone(&order.shared).own(order, child);
        Ok(Started::new(staged, Arc::new(instance), enforcement))
    }
}

/// Starts the first process of a plugin.
async fn first(order: &Arc<Order>) -> Result<(Child, Enforcement), ProcessError> {
    let began = Instant::now();
    let spawned = order.spawn().await?;
    let enforcement = spawned.enforcement();
    let missing = spawned.reached().missing();
    tracing::info!(plugin = %order.launch.manifest.name(), %enforcement, ?missing, "spawned");
    let child = spawned.shake(order, began).await?;
    Ok((child, enforcement))
}

#[async_trait]
impl PluginRuntime for ProcessRuntime {
    fn supports(&self, manifest: &Manifest) -> bool {
        manifest
            .runtime()
            .is_some_and(|runtime| runtime.kind == RuntimeKind::Process)
    }

    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        Ok(self.open(launch).await?)
    }
}

impl fmt::Debug for ProcessRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessRuntime")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// The host's handle of a plugin. Dropping it ends the process at once.
struct Instance(Arc<Order>);

#[async_trait]
impl RunningPlugin for Instance {
    async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.0.shared.command(Command::Stop(done));
        // An owner that is gone has stopped.
        drop(stopped.await);
    }

    async fn migrate_state(
        &self,
        from: u32,
        entries: StateEntries,
    ) -> Result<StateEntries, StartFailure> {
        let failure = |text: String| StartFailure(text);
        let to = self
            .0
            .launch
            .manifest
            .state()
            .map_or(from, |state| state.version);
        let link = self.0.shared.link().await.map_err(|e| failure(e.message))?;
        let request = HostRequest::Migrate(StateMigration { from, to, entries });
        let answer = link
            .ask(request)
            .await
            .map_err(|lost| failure(lost.to_string()))?;
        let result = answer.map_err(|e| failure(e.to_reason()))?;
        StateMigration::entries_from_result(&result).map_err(|e| failure(e.to_string()))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.shared.command(Command::Kill);
    }
}
