//! All effects of one host together.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use keyway_host::audit::Redactor;
use keyway_host::clock::{Clock, SystemClock};
use keyway_host::effects::EffectPerformer;
use keyway_host::gate::EffectPermit;
use keyway_plugin_api::{
    Capability, EffectReply, EffectRequest, PluginId, StateEntries, ToolError, ToolErrorKind,
};

use crate::EffectLimits;
use crate::files::{Files, FilesError};
#[cfg(feature = "http")]
use crate::http::{Asker, Http, HttpOptions};
use crate::log::PluginLog;
use crate::secrets::{MemorySecrets, SecretStore};
use crate::state::{StateError, StateFolder};

/// Performs effects that the gate has permitted: files, HTTP, state, secrets and log.
///
/// Cloning is cheap. The state folder is out of reach of every file effect.
///
/// ```
/// use keyway_effects::{Effects, secrets::MemorySecrets};
///
/// let folder = tempfile::tempdir()?;
/// let effects = Effects::builder(folder.path().join(".keyway"))
///     .files_base(folder.path())
///     .secrets(MemorySecrets::new().with("API_KEY", "k-123"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Effects(Arc<Parts>);

struct Parts {
    files: Option<Files>,
    states: StateFolder,
    secrets: Arc<dyn SecretStore>,
    log: PluginLog,
    redactor: Redactor,
    #[cfg(feature = "http")]
    http: Http,
    /// What each plugin's state was last allowed to grow to.
    quotas: Mutex<HashMap<PluginId, u64>>,
}

/// Says why the effects could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A folder could not be opened or made.
    #[error("{}: {source}", path.display())]
    #[non_exhaustive]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The state folder could not be opened.
    #[error(transparent)]
    #[non_exhaustive]
    State(#[from] StateError),
}

impl SetupError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "EFFECTS_FOLDER",
            Self::State(error) => error.code(),
        }
    }
}

impl Effects {
    /// Begins with the folder that holds the host's own files.
    #[must_use]
    pub fn builder(state_folder: impl Into<PathBuf>) -> EffectsBuilder {
        EffectsBuilder {
            state_folder: state_folder.into(),
            files_base: None,
            protected: Vec::new(),
            secrets: Arc::new(MemorySecrets::new()),
            clock: Arc::new(SystemClock::new()),
            redactor: Redactor::new(),
            limits: EffectLimits::default(),
            #[cfg(feature = "http")]
            http: HttpOptions::new(),
        }
    }

    /// Returns the state of plugins, for export, import and removal.
    #[must_use]
    pub fn states(&self) -> &StateFolder {
        &self.0.states
    }

    /// Returns the logs of plugins.
    #[must_use]
    pub fn log(&self) -> &PluginLog {
        &self.0.log
    }

    /// Performs one effect on this thread, which may block on a disk or on a server.
    ///
    /// `within` are the granted capabilities that cover it. The gate has checked that; what goes
    /// beyond them is refused here again. Hosts go through [`EffectPerformer`] instead.
    ///
    /// # Errors
    /// [`ToolError`] with what went wrong; no secrets and no paths of the host's own.
    pub fn perform_within(
        &self,
        plugin: &PluginId,
        within: &[Capability],
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        match request {
            R::FsList { .. }
            | R::FsRead { .. }
            | R::FsRemove { .. }
            | R::FsStat { .. }
            | R::FsWrite { .. } => self.file(within, &request),
            R::StateCas { .. }
            | R::StateDelete { .. }
            | R::StateGet { .. }
            | R::StateList { .. }
            | R::StatePut { .. } => self.state(plugin, within, &request),
            #[cfg(feature = "http")]
            R::HttpFetch { .. } => self.fetch(plugin, within, request),
            R::SecretRead { name } => self.secret(within, &name),
            R::Log { level, message } => {
                // A full disk must not stop a plugin that only wanted to say something.
                if let Err(error) = self.0.log.write(plugin, level, &message) {
                    tracing::warn!(%plugin, %error, "a plugin's log line was lost");
                }
                Ok(EffectReply::Done)
            }
            _ => Err(unsupported()),
        }
    }

    fn file(
        &self,
        within: &[Capability],
        request: &EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        let files = self.0.files.as_ref().ok_or_else(unsupported)?;
        let (read, write) = paths(within);
        let done: Result<_, FilesError> = match request {
            R::FsList { path } => files.list(&read, path).map(EffectReply::Names),
            R::FsRead { path } => files.read(&read, path).map(|b| EffectReply::Bytes(Some(b))),
            R::FsStat { path } => files.stat(&read, path).map(EffectReply::Stat),
            R::FsRemove { path } => files.remove(&write, path).map(|()| EffectReply::Done),
            R::FsWrite { path, bytes } => {
                let written = files.write(&write, path, bytes);
                written.map(|()| EffectReply::Done)
            }
            _ => return Err(unsupported()),
        };
        Ok(done?)
    }

    fn state(
        &self,
        plugin: &PluginId,
        within: &[Capability],
        request: &EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        let quota = within.iter().filter_map(|granted| match granted {
            Capability::State { quota_bytes } => Some(*quota_bytes),
            _ => None,
        });
        let quota = quota.max().ok_or_else(uncovered)?;
        self.quotas().insert(plugin.clone(), quota);
        let state = self.0.states.plugin(plugin, quota)?;
        let done: Result<_, StateError> = match request {
            R::StateGet { key } => state.get(key).map(EffectReply::Bytes),
            R::StatePut { key, value } => state.put(key, value).map(|()| EffectReply::Done),
            R::StateDelete { key } => state.delete(key).map(|()| EffectReply::Done),
            R::StateList { prefix } => state.list(prefix).map(EffectReply::Names),
            R::StateCas {
                key,
                expected,
                value,
            } => {
                let swapped = state.cas(key, expected.as_deref(), value);
                swapped.map(EffectReply::Swapped)
            }
            _ => return Err(unsupported()),
        };
        Ok(done?)
    }

    fn quotas(&self) -> MutexGuard<'_, HashMap<PluginId, u64>> {
        let quotas = self.0.quotas.lock();
        quotas.unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "http")]
    fn fetch(
        &self,
        plugin: &PluginId,
        within: &[Capability],
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        let asker = Asker {
            plugin,
            within,
            secrets: &*self.0.secrets,
            redactor: &self.0.redactor,
        };
        self.0.http.fetch(asker, request).map(EffectReply::Http)
    }

    /// Reads a secret. The redactor learns the value before the plugin does.
    fn secret(&self, within: &[Capability], name: &str) -> Result<EffectReply, ToolError> {
        if !within.iter().any(|granted| granted.allows_secret(name)) {
            return Err(uncovered());
        }
        match self.0.secrets.read(name)? {
            Some(value) => {
                self.0.redactor.learn(&value);
                Ok(EffectReply::Secret(value))
            }
            None => Err(ToolError::new(
                ToolErrorKind::NotFound,
                "the secret is granted, but the host has none of that name",
            )),
        }
    }
}

#[async_trait]
impl EffectPerformer for Effects {
    async fn perform(
        &self,
        permit: EffectPermit,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        let effects = self.clone();
        run(move || effects.perform_within(permit.plugin(), permit.within(), request)).await
    }

    async fn export_state(&self, plugin: &PluginId) -> Result<StateEntries, ToolError> {
        let (effects, plugin) = (self.clone(), plugin.clone());
        run(move || Ok(effects.0.states.entries(&plugin)?)).await
    }

    /// Held to the quota that the plugin's last state effect was granted; before the first one, to
    /// the limits of keys and values only.
    async fn replace_state(
        &self,
        plugin: &PluginId,
        entries: StateEntries,
    ) -> Result<(), ToolError> {
        let (effects, plugin) = (self.clone(), plugin.clone());
        let quota = self.quotas().get(&plugin).copied().unwrap_or(u64::MAX);
        run(move || Ok(effects.0.states.replace(&plugin, entries, quota)?)).await
    }
}

/// Runs what blocks on disks and servers; where there is a runtime, its workers must not.
async fn run<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match tokio::runtime::Handle::try_current() {
        Err(_) => run(),
        Ok(runtime) => match runtime.spawn_blocking(run).await {
            Ok(done) => done,
            Err(_) => Err(ToolError::internal("bug in keyway: an effect was cut off")),
        },
    }
}

/// The paths that may be read, and those that may be written.
fn paths(within: &[Capability]) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut both = (BTreeSet::new(), BTreeSet::new());
    for granted in within {
        if let Capability::Filesystem { read, write } = granted {
            both.0.extend(read.iter().cloned());
            both.1.extend(write.iter().cloned());
        }
    }
    both
}

fn uncovered() -> ToolError {
    ToolError::new(
        ToolErrorKind::Denied,
        "the grant does not cover this effect",
    )
}

fn unsupported() -> ToolError {
    ToolError::new(
        ToolErrorKind::Unavailable,
        "this host does not perform this effect",
    )
}

/// Sets up [`Effects`].
pub struct EffectsBuilder {
    state_folder: PathBuf,
    files_base: Option<PathBuf>,
    protected: Vec<PathBuf>,
    secrets: Arc<dyn SecretStore>,
    clock: Arc<dyn Clock>,
    redactor: Redactor,
    limits: EffectLimits,
    #[cfg(feature = "http")]
    http: HttpOptions,
}

impl EffectsBuilder {
    /// Allows file effects, with relative paths counted from this folder. Without it no file
    /// effect is performed.
    #[must_use]
    pub fn files_base(mut self, folder: impl Into<PathBuf>) -> Self {
        self.files_base = Some(folder.into());
        self
    }

    /// Keeps file effects out of a folder, such as one that holds plugins or the agent's own
    /// configuration. The state folder always is.
    #[must_use]
    pub fn protect(mut self, folder: impl Into<PathBuf>) -> Self {
        self.protected.push(folder.into());
        self
    }

    /// Sets where secrets come from. Without it there are none.
    #[must_use]
    pub fn secrets(mut self, store: impl SecretStore) -> Self {
        self.secrets = Arc::new(store);
        self
    }

    /// Sets how HTTP requests reach the network. Without it they reach the public internet.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Sets the clock that dates log lines.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the redactor that learns every secret that is handed out. Share the audit trail's.
    #[must_use]
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: EffectLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens what is needed.
    ///
    /// # Errors
    /// [`SetupError`] with the folder that could not be opened or made.
    pub fn build(self) -> Result<Effects, SetupError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| SetupError::Folder { path, source }
        };
        crate::private::make_folder(&self.state_folder).map_err(at(&self.state_folder))?;
        let files = match &self.files_base {
            None => None,
            Some(base) => {
                let mut files = Files::open(base, self.limits).map_err(at(base))?;
                for folder in self.protected.iter().chain([&self.state_folder]) {
                    files.protect(folder).map_err(at(folder))?;
                }
                Some(files)
            }
        };
        let logs = self.state_folder.join("logs");
        let log = PluginLog::open(&logs, self.clock, self.redactor.clone(), self.limits);
        Ok(Effects(Arc::new(Parts {
            files,
            states: StateFolder::open(self.state_folder.join("state"), self.limits)?,
            secrets: self.secrets,
            log: log.map_err(at(&logs))?,
            redactor: self.redactor,
            #[cfg(feature = "http")]
            http: Http::new(self.http, self.limits),
            quotas: Mutex::default(),
        })))
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("files", &self.files)
            .field("states", &self.states)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EffectsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EffectsBuilder")
            .field("state_folder", &self.state_folder)
            .field("files_base", &self.files_base)
            .finish_non_exhaustive()
    }
}
