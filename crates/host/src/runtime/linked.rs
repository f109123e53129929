//! Runs plugins that are compiled into the host binary.
//!
//! Linked code shares the host's memory, so it is held only at the calls that go through the
//! host: the level is `declared`, and no more is claimed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keyway_plugin_api::{
    Manifest, Plugin, PluginId, Register, RegisterError, RuntimeKind, Staged, StartFailure,
    StateEntries,
};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Enforcement, Launch, PluginRuntime, RunningPlugin, StartError, Started};
use crate::panics::{catch, catch_async};

/// Starts linked plugins, by the name in their manifest.
#[derive(Default)]
pub struct LinkedRuntime {
    plugins: BTreeMap<PluginId, Arc<dyn Plugin>>,
}

impl LinkedRuntime {
    /// Makes a runtime that knows no plugin.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plugin's code under its name; the first of two with one name stays.
    ///
    /// # Errors
    /// Gives the plugin back when the name is taken.
    pub fn add(&mut self, name: PluginId, plugin: Arc<dyn Plugin>) -> Result<(), Arc<dyn Plugin>> {
        if self.plugins.contains_key(&name) {
            return Err(plugin);
        }
        self.plugins.insert(name, plugin);
        Ok(())
    }
}

impl fmt::Debug for LinkedRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.plugins.keys()).finish()
    }
}

#[async_trait]
impl PluginRuntime for LinkedRuntime {
    fn supports(&self, manifest: &Manifest) -> bool {
        manifest
            .runtime()
            .is_some_and(|runtime| runtime.kind == RuntimeKind::Linked)
    }

    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        let name = launch.manifest.name();
        let Some(plugin) = self.plugins.get(name).cloned() else {
            return Err(StartError::NotLinked {
                plugin: name.to_string(),
            });
        };
        let staged = register(Arc::clone(&plugin), &launch).await?;
        start(plugin.as_ref(), launch.limits.start).await?;
        let instance: Arc<dyn RunningPlugin> = Arc::new(LinkedInstance(plugin));
        Ok(Started::new(staged, instance, Enforcement::Declared))
    }
}

/// Runs `register` on a thread of its own, so that one that hangs costs its thread and no more:
/// the async runtime would wait for a thread of its pool when it shuts down.
async fn register(plugin: Arc<dyn Plugin>, launch: &Launch) -> Result<Staged, StartError> {
    let (manifest, settings) = (Arc::clone(&launch.manifest), launch.settings.clone());
    let background = launch.background.clone();
    let (answer, answered) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let _inside = runtime.enter();
        let ctx = Register::open(&manifest, &settings).with_background(background);
        let result = catch(|| run_register(&*plugin, ctx));
        // Whoever asked may have given up.
        drop(answer.send(result));
    };
    let thread = std::thread::Builder::new().name("keyway-register".to_owned());
    thread.spawn(work).map_err(|e| StartError::Failed {
        reason: format!("no thread for it: {e}"),
    })?;
    let (stage, limit) = ("register", launch.limits.start);
    match tokio::time::timeout(limit, answered).await {
        Ok(Ok(Ok(result))) => Ok(result?),
        Ok(Ok(Err(message))) => Err(StartError::Panicked { stage, message }),
        Ok(Err(_)) => Err(StartError::Panicked {
            stage,
            message: "its thread ended without an answer".to_owned(),
        }),
        Err(_) => Err(timed_out(stage, limit)),
    }
}

fn run_register(plugin: &dyn Plugin, mut ctx: Register<'_>) -> Result<Staged, RegisterError> {
    plugin.register(&mut ctx)?;
    Ok(ctx.finish())
}

async fn start(plugin: &dyn Plugin, limit: Duration) -> Result<(), StartError> {
    match tokio::time::timeout(limit, catch_async(plugin.start())).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(failure))) => Err(StartError::Failed { reason: failure.0 }),
        Ok(Err(message)) => Err(StartError::Panicked {
            stage: "start",
            message,
        }),
        Err(_) => Err(timed_out("start", limit)),
    }
}

fn timed_out(stage: &'static str, limit: Duration) -> StartError {
    StartError::TimedOut {
        stage,
        limit_ms: limit.as_millis().try_into().unwrap_or(u64::MAX),
    }
}

struct LinkedInstance(Arc<dyn Plugin>);

#[async_trait]
impl RunningPlugin for LinkedInstance {
    async fn stop(&self) {
        self.0.stop().await;
    }

    async fn migrate_state(
        &self,
        from: u32,
        entries: StateEntries,
    ) -> Result<StateEntries, StartFailure> {
        self.0.migrate_state(from, entries).await
    }
}
