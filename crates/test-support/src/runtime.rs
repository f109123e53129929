//! A runtime that runs code of the test's own for packages of any kind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use keyway_host::runtime::{
    Enforcement, Launch, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_plugin_api::{
    Manifest, Plugin, PluginId, Register, StartFailure, StateEntries, async_trait,
};

/// Runs a [`Plugin`] value for every package of its name, whatever kind of runtime the package's
/// manifest names, and claims the level of enforcement it is told to.
///
/// With it a test has packages on disk, of any precedence and trust, without building a program.
#[derive(Default)]
pub struct CodeRuntime {
    plugins: BTreeMap<PluginId, Arc<dyn Plugin>>,
    enforcement: Option<Enforcement>,
}

impl CodeRuntime {
    /// Makes a runtime that knows no plugin and claims to enforce.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds code for the packages called `name`.
    ///
    /// # Panics
    /// When `name` is not a plugin's name.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, name: &str, plugin: impl Plugin) -> Self {
        let name = crate::harness::plugin_id(name);
        self.plugins.insert(name, Arc::new(plugin));
        self
    }

    /// Sets the level of enforcement that is claimed.
    #[must_use]
    pub fn reaching(mut self, enforcement: Enforcement) -> Self {
        self.enforcement = Some(enforcement);
        self
    }
}

#[async_trait]
impl PluginRuntime for CodeRuntime {
    fn supports(&self, manifest: &Manifest) -> bool {
        self.plugins.contains_key(manifest.name())
    }

    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        let name = launch.manifest.name();
        let plugin = self
            .plugins
            .get(name)
            .ok_or_else(|| StartError::NotLinked {
                plugin: name.to_string(),
            })?;
        let ctx = Register::open(&launch.manifest, &launch.settings);
        let mut ctx = ctx.with_background(launch.background.clone());
        plugin.register(&mut ctx)?;
        let staged = ctx.finish();
        plugin
            .start()
            .await
            .map_err(|failure| StartError::Failed { reason: failure.0 })?;
        let instance: Arc<dyn RunningPlugin> = Arc::new(Instance(Arc::clone(plugin)));
        let enforcement = self.enforcement.unwrap_or(Enforcement::Enforced);
        Ok(Started::new(staged, instance, enforcement))
    }
}

struct Instance(Arc<dyn Plugin>);

#[async_trait]
impl RunningPlugin for Instance {
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

impl fmt::Debug for CodeRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeRuntime")
            .field("plugins", &self.plugins.keys())
            .field("enforcement", &self.enforcement)
            .finish()
    }
}
