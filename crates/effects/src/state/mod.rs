//! What plugins keep: a small durable map from keys to bytes for each.
//!
//! One append-only file per plugin holds a checked record for every change, and a change is
//! acknowledged when its record is durable. A host that is killed in the middle of a record finds
//! the record incomplete at the next start, puts it aside and has every acknowledged change. The
//! file is rewritten as a whole, into a new file that takes its name, when most of it is old.
//!
//! A plugin's state is open in one process at a time. It can be exported and imported as JSON, and
//! leaves only by an export or when it is explicitly discarded.

mod error;
mod export;
mod journal;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyway_plugin_api::{PluginId, StateEntries};

pub use error::StateError;
pub use export::StateExport;

use self::journal::Journal;
use crate::EffectLimits;

/// Keys that begin so are the host's own, in the state of a plugin.
const HOSTS_OWN: char = '\0';

/// The state of all plugins, in one folder.
///
/// ```
/// use keyway_effects::{EffectLimits, state::StateFolder};
/// use keyway_plugin_api::{PluginId, StateEntries};
///
/// let folder = tempfile::tempdir()?;
/// let states = StateFolder::open(folder.path(), EffectLimits::default())?;
/// let notes = states.plugin(&PluginId::parse("notes")?, 1024)?;
/// notes.put("last", b"42")?;
/// assert!(notes.cas("last", Some(b"42"), b"43")?);
/// assert!(!notes.cas("last", Some(b"42"), b"44")?);
/// assert_eq!(notes.get("last")?.as_deref(), Some(&b"43"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
    limits: EffectLimits,
    open: Mutex<HashMap<PluginId, Arc<Mutex<Option<Journal>>>>>,
}

impl StateFolder {
    /// Opens the folder, making it when it is not there, for its owner only.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn open(folder: impl Into<PathBuf>, limits: EffectLimits) -> Result<Self, StateError> {
        let folder = folder.into();
        crate::private::make_folder(&folder).map_err(|e| StateError::io(&folder, e))?;
        Ok(Self {
            folder,
            limits,
            open: Mutex::default(),
        })
    }

    /// Returns one plugin's state, which may grow to `quota` bytes of keys and values.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read, or is in use by another process.
    pub fn plugin(&self, plugin: &PluginId, quota: u64) -> Result<PluginState, StateError> {
        let state = PluginState {
            path: self.path(plugin),
            slot: Arc::clone(lock(&self.open).entry(plugin.clone()).or_default()),
            limits: self.limits,
            quota,
        };
        state.with(|_| Ok(()))?;
        Ok(state)
    }

    /// Returns everything a plugin keeps.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn export(&self, plugin: &PluginId) -> Result<StateExport, StateError> {
        Ok(StateExport::new(plugin.clone(), self.entries(plugin)?))
    }

    /// Returns every entry of a plugin's state, keys of the host's own included.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn entries(&self, plugin: &PluginId) -> Result<StateEntries, StateError> {
        let state = self.plugin(plugin, u64::MAX)?;
        state.with(|journal| Ok(journal.all()))
    }

    /// Replaces everything a plugin keeps, at once: after a crash the state is the old one or the
    /// imported one.
    ///
    /// # Errors
    /// [`StateError::WrongPlugin`] when the export is another plugin's; [`StateError::Quota`] and
    /// those about keys and values when it does not fit.
    pub fn import(
        &self,
        plugin: &PluginId,
        export: &StateExport,
        quota: u64,
    ) -> Result<(), StateError> {
        if export.plugin() != plugin {
            return Err(StateError::WrongPlugin {
                found: export.plugin().clone(),
                expected: plugin.clone(),
            });
        }
        self.replace(plugin, export.entries()?, quota)
    }

    /// Replaces everything a plugin keeps, at once: after a crash the state is the old one or the
    /// new one. Keys that begin with NUL are the host's own: no plugin reads, writes or lists
    /// them, and they count towards no quota here.
    ///
    /// # Errors
    /// [`StateError::Quota`] when there would be more than `quota` bytes, and those about keys and
    /// values; nothing is changed then.
    pub fn replace(
        &self,
        plugin: &PluginId,
        entries: StateEntries,
        quota: u64,
    ) -> Result<(), StateError> {
        let state = self.plugin(plugin, quota)?;
        for (key, value) in &entries {
            state.check(key.strip_prefix(HOSTS_OWN).unwrap_or(key), value)?;
        }
        let own = entries.iter().filter(|(k, _)| !k.starts_with(HOSTS_OWN));
        state.fits(0, own.map(|(k, v)| (k.len() + v.len()) as u64).sum())?;
        state.with(|journal| journal.replace(entries))
    }

    /// Writes a plugin's state to a new file in `exports` and removes it; says which file, or
    /// `None` when there was nothing to keep.
    ///
    /// # Errors
    /// [`StateError`]; the state is then still there.
    pub fn retire(
        &self,
        plugin: &PluginId,
        exports: &Path,
        now_ms: i64,
    ) -> Result<Option<PathBuf>, StateError> {
        let export = self.export(plugin)?;
        let file = exports.join(format!("{plugin}-{now_ms}.json"));
        let kept = match export.is_empty() {
            true => None,
            false => {
                let text = export.to_json();
                let written = crate::private::write_new(&file, text.as_bytes());
                written.map_err(|e| StateError::io(&file, e))?;
                Some(file)
            }
        };
        self.discard(plugin)?;
        Ok(kept)
    }

    /// Removes a plugin's state for good.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn discard(&self, plugin: &PluginId) -> Result<(), StateError> {
        let path = self.path(plugin);
        let slot = Arc::clone(lock(&self.open).entry(plugin.clone()).or_default());
        let mut open = lock(&slot);
        if open.is_none() {
            // Takes the lock, so that no other process is using what goes away.
            *open = Some(Journal::open(&path)?);
        }
        fs::remove_file(&path).map_err(|e| StateError::io(&path, e))?;
        *open = None;
        crate::private::sync_folder(&self.folder).map_err(|e| StateError::io(&self.folder, e))
    }

    fn path(&self, plugin: &PluginId) -> PathBuf {
        self.folder.join(format!("{plugin}.state"))
    }
}

/// The state of one plugin. Clones share it.
#[derive(Debug, Clone)]
pub struct PluginState {
    path: PathBuf,
    slot: Arc<Mutex<Option<Journal>>>,
    limits: EffectLimits,
    quota: u64,
}

impl PluginState {
    /// Returns the value of a key.
    ///
    /// # Errors
    /// [`StateError::BadKey`], or when the state cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.check(key, &[])?;
        self.with(|journal| Ok(journal.get(key).map(<[u8]>::to_vec)))
    }

    /// Stores a value; durable when this returns.
    ///
    /// # Errors
    /// [`StateError::Quota`], [`StateError::BadKey`], [`StateError::ValueTooLarge`], or when it
    /// cannot be made durable.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.check(key, value)?;
        self.with(|journal| self.store(journal, key, value))
    }

    /// Stores a value if the key still holds what is expected; says whether it did.
    ///
    /// # Errors
    /// As [`PluginState::put`].
    pub fn cas(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, StateError> {
        self.check(key, value)?;
        self.with(|journal| {
            if journal.get(key) != expected {
                return Ok(false);
            }
            self.store(journal, key, value).map(|()| true)
        })
    }

    /// Deletes a key; fine when it holds nothing.
    ///
    /// # Errors
    /// [`StateError::BadKey`], or when it cannot be made durable.
    pub fn delete(&self, key: &str) -> Result<(), StateError> {
        self.check(key, &[])?;
        self.with(|journal| match journal.get(key) {
            None => Ok(()),
            Some(_) => journal.delete(key),
        })
    }

    /// Lists the keys that begin with a prefix, sorted.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    pub fn list(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        self.with(|journal| {
            let mut keys = journal.keys(prefix);
            keys.retain(|key| !key.starts_with(HOSTS_OWN));
            Ok(keys)
        })
    }

    fn store(&self, journal: &mut Journal, key: &str, value: &[u8]) -> Result<(), StateError> {
        let before = journal.live_bytes();
        let old = journal.get(key).map_or(0, |old| key.len() + old.len());
        let after = before - old as u64 + (key.len() + value.len()) as u64;
        self.fits(before, after)?;
        journal.put(key, value)
    }

    /// A quota that was lowered below what is kept stops growth, not life.
    fn fits(&self, before: u64, after: u64) -> Result<(), StateError> {
        match after > self.quota && after > before {
            true => Err(StateError::Quota {
                needed: after,
                quota: self.quota,
            }),
            false => Ok(()),
        }
    }

    fn check(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        let rule = match key.len() {
            0 => "a key is not empty",
            len if len > self.limits.state_key_bytes => "a key has at most 256 bytes",
            _ if key.chars().any(keyway_host::text::is_unsafe) => {
                "a key has no control or invisible characters"
            }
            _ if value.len() > self.limits.state_value_bytes => {
                return Err(StateError::ValueTooLarge {
                    limit: self.limits.state_value_bytes,
                });
            }
            _ => return Ok(()),
        };
        Err(StateError::BadKey {
            key: keyway_host::text::excerpt(key).into_owned(),
            rule,
        })
    }

    /// Runs something on the journal. After a failed write the journal is read again from disk
    /// before anything else: what memory believes may not be what is there.
    fn with<T>(
        &self,
        run: impl FnOnce(&mut Journal) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        let mut slot = lock(&self.slot);
        let journal = match slot.as_mut() {
            Some(journal) => journal,
            None => slot.insert(Journal::open(&self.path)?),
        };
        let done = run(journal);
        if matches!(done, Err(StateError::Io { .. })) {
            *slot = None;
        }
        done
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
