//! Effects in memory: what plugins asked for, and a world that answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyway_host::effects::EffectPerformer;
use keyway_host::gate::EffectPermit;
use keyway_plugin_api::{
    CallInfo, Capability, EffectReply, EffectRequest, FileStat, HostServices, HttpResponse,
    LogLevel, PluginId, SecretValue, StateEntries, ToolError, ToolErrorKind, async_trait,
};

/// A world in memory that performs every effect and writes each one down.
///
/// As an [`EffectPerformer`] it stands behind the gate. As [`HostServices`] it has no gate at
/// all: a tool called with it does what it likes, which is what a test of the gate is measured
/// against, and the quickest way to try a tool alone.
///
/// ```
/// use keyway_test_support::RecordedEffects;
/// let world = RecordedEffects::new();
/// world.put_file("./notes/a.md", "hello");
/// assert_eq!(world.file("notes/a.md").as_deref(), Some(&b"hello"[..]));
/// ```
#[derive(Default)]
pub struct RecordedEffects(Mutex<World>);

/// One effect that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedEffect {
    /// Who asked.
    pub plugin: PluginId,
    /// What the gate let it stay within; empty without a gate.
    pub within: Vec<Capability>,
    /// What it asked for.
    pub request: EffectRequest,
}

#[derive(Default)]
struct World {
    files: BTreeMap<String, Vec<u8>>,
    state: BTreeMap<(PluginId, String), Vec<u8>>,
    pages: BTreeMap<String, HttpResponse>,
    secrets: BTreeMap<String, String>,
    log: Vec<(PluginId, LogLevel, String)>,
    seen: Vec<RecordedEffect>,
    failures: VecDeque<ToolError>,
}

impl RecordedEffects {
    /// Makes an empty world.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file there.
    pub fn put_file(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.world().files.insert(plain(path), bytes.into());
    }

    /// Lets every request to exactly this URL get this answer; any other gets an empty 404.
    pub fn put_page(&self, url: &str, response: HttpResponse) {
        self.world().pages.insert(url.to_owned(), response);
    }

    /// Stores a secret, as an operator would.
    pub fn put_secret(&self, name: &str, value: &str) {
        self.world()
            .secrets
            .insert(name.to_owned(), value.to_owned());
    }

    /// Stores a state value of a plugin.
    pub fn put_state(&self, plugin: &PluginId, key: &str, value: impl Into<Vec<u8>>) {
        let key = (plugin.clone(), key.to_owned());
        self.world().state.insert(key, value.into());
    }

    /// Lets the next effect fail; several wait for their turn.
    pub fn fail_next(&self, error: ToolError) {
        self.world().failures.push_back(error);
    }

    /// Returns a file's bytes.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.world().files.get(&plain(path)).cloned()
    }

    /// Returns the paths of all files, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.world().files.keys().cloned().collect()
    }

    /// Returns a plugin's state value.
    #[must_use]
    pub fn state(&self, plugin: &PluginId, key: &str) -> Option<Vec<u8>> {
        let key = (plugin.clone(), key.to_owned());
        self.world().state.get(&key).cloned()
    }

    /// Returns a plugin's log lines.
    #[must_use]
    pub fn log_of(&self, plugin: &PluginId) -> Vec<(LogLevel, String)> {
        let world = self.world();
        let lines = world.log.iter().filter(|(who, ..)| who == plugin);
        lines
            .map(|(_, level, line)| (*level, line.clone()))
            .collect()
    }

    /// Returns every effect that was asked for so far, in order.
    #[must_use]
    pub fn all(&self) -> Vec<RecordedEffect> {
        self.world().seen.clone()
    }

    /// Forgets every effect so far and returns them; files, state and secrets stay.
    #[must_use]
    pub fn take(&self) -> Vec<RecordedEffect> {
        std::mem::take(&mut self.world().seen)
    }

    fn act(
        &self,
        plugin: PluginId,
        within: &[Capability],
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        let mut world = self.world();
        world.seen.push(RecordedEffect {
            plugin: plugin.clone(),
            within: within.to_vec(),
            request: request.clone(),
        });
        match world.failures.pop_front() {
            Some(error) => Err(error),
            None => world.answer(plugin, within, request),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EffectPerformer for RecordedEffects {
    async fn perform(
        &self,
        permit: EffectPermit,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        self.act(permit.plugin().clone(), permit.within(), request)
    }

    async fn export_state(&self, plugin: &PluginId) -> Result<StateEntries, ToolError> {
        let world = self.world();
        let mine = world.state.iter().filter(|((owner, _), _)| owner == plugin);
        Ok(mine.map(|((_, k), v)| (k.clone(), v.clone())).collect())
    }

    async fn replace_state(
        &self,
        plugin: &PluginId,
        entries: StateEntries,
    ) -> Result<(), ToolError> {
        let mut world = self.world();
        if let Some(error) = world.failures.pop_front() {
            return Err(error);
        }
        world.state.retain(|(owner, _), _| owner != plugin);
        let entries = entries.into_iter();
        let mine = entries.map(|(key, value)| ((plugin.clone(), key), value));
        world.state.extend(mine);
        Ok(())
    }
}

#[async_trait]
impl HostServices for RecordedEffects {
    async fn perform(
        &self,
        call: &CallInfo,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        self.act(call.plugin.clone(), &[], request)
    }
}

impl World {
    fn answer(
        &mut self,
        plugin: PluginId,
        within: &[Capability],
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        match request {
            R::FsList { .. } | R::FsRead { .. } | R::FsStat { .. } => self.read(&request),
            R::FsRemove { path } => match self.files.remove(&plain(&path)) {
                Some(_) => Ok(EffectReply::Done),
                None => Err(not_found(&path)),
            },
            R::FsWrite { path, bytes } => {
                self.files.insert(plain(&path), bytes);
                Ok(EffectReply::Done)
            }
            R::HttpFetch { url, .. } => {
                let page = self.pages.get(&url).cloned();
                Ok(EffectReply::Http(page.unwrap_or(HttpResponse {
                    status: 404,
                    headers: Vec::new(),
                    body: Vec::new(),
                })))
            }
            R::Log { level, message } => {
                self.log.push((plugin, level, message));
                Ok(EffectReply::Done)
            }
            R::SecretRead { name } => {
                let secret = self.secrets.get(&name).ok_or_else(|| not_found(&name))?;
                Ok(EffectReply::Secret(SecretValue::new(secret.as_str())))
            }
            R::CallTool { tool, .. } => Err(not_found(&tool)),
            state => self.keep(plugin, within, state),
        }
    }

    fn read(&self, request: &EffectRequest) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        let (R::FsList { path } | R::FsRead { path } | R::FsStat { path }) = request else {
            return Err(ToolError::internal("not a reading request"));
        };
        let at = plain(path);
        let names = self.names_in(&at);
        match (request, self.files.get(&at)) {
            (R::FsRead { .. }, Some(bytes)) => Ok(EffectReply::Bytes(Some(bytes.clone()))),
            (R::FsStat { .. }, Some(bytes)) => Ok(EffectReply::Stat(FileStat {
                is_directory: false,
                bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            })),
            (R::FsStat { .. }, None) if !names.is_empty() => Ok(EffectReply::Stat(FileStat {
                is_directory: true,
                bytes: 0,
            })),
            (R::FsList { .. }, None) if !names.is_empty() => {
                Ok(EffectReply::Names(names.into_iter().collect()))
            }
            _ => Err(not_found(path)),
        }
    }

    fn names_in(&self, folder: &str) -> BTreeSet<String> {
        let below = self.files.keys().filter_map(|path| match folder {
            "" => Some(path.as_str()),
            _ => path.strip_prefix(folder)?.strip_prefix('/'),
        });
        below
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect()
    }

    fn keep(
        &mut self,
        plugin: PluginId,
        within: &[Capability],
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        match request {
            R::StateGet { key } => {
                let value = self.state.get(&(plugin, key)).cloned();
                Ok(EffectReply::Bytes(value))
            }
            R::StateDelete { key } => {
                self.state.remove(&(plugin, key));
                Ok(EffectReply::Done)
            }
            R::StateList { prefix } => {
                let mine = self.state.keys().filter(|(owner, _)| *owner == plugin);
                let keys = mine.map(|(_, key)| key).filter(|k| k.starts_with(&prefix));
                Ok(EffectReply::Names(keys.cloned().collect()))
            }
            R::StatePut { key, value } => {
                self.store(plugin, within, key, value)?;
                Ok(EffectReply::Done)
            }
            R::StateCas {
                key,
                expected,
                value,
            } => {
                let place = (plugin.clone(), key.clone());
                let is_same = self.state.get(&place) == expected.as_ref();
                if is_same {
                    self.store(plugin, within, key, value)?;
                }
                Ok(EffectReply::Swapped(is_same))
            }
            _ => Err(ToolError::new(
                ToolErrorKind::Unavailable,
                "this world does not know such effects",
            )),
        }
    }

    /// Keeps to the quota, where the gate named one.
    fn store(
        &mut self,
        plugin: PluginId,
        within: &[Capability],
        key: String,
        value: Vec<u8>,
    ) -> Result<(), ToolError> {
        let mine = self.state.iter().filter(|((owner, _), _)| *owner == plugin);
        let others = mine.filter(|((_, name), _)| *name != key);
        let used: usize = others.map(|((_, k), v)| k.len() + v.len()).sum();
        let wanted = u64::try_from(used + key.len() + value.len()).unwrap_or(u64::MAX);
        let quotas = within.iter().filter_map(|capability| match capability {
            Capability::State { quota_bytes } => Some(*quota_bytes),
            _ => None,
        });
        if quotas.max().is_some_and(|quota| wanted > quota) {
            return Err(ToolError::new(
                ToolErrorKind::Conflict,
                "the quota of the plugin's state is full",
            ));
        }
        self.state.insert((plugin, key), value);
        Ok(())
    }
}

/// `./notes//a.md` and `notes/a.md` are one file. Whether a path leaves its root is the gate's to
/// judge, so `..` stays as it is.
fn plain(path: &str) -> String {
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

fn not_found(what: &str) -> ToolError {
    ToolError::new(ToolErrorKind::NotFound, format!("there is no `{what}`"))
}

impl fmt::Debug for RecordedEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.world();
        f.debug_struct("RecordedEffects")
            .field("files", &world.files.len())
            .field("seen", &world.seen.len())
            .finish_non_exhaustive()
    }
}
