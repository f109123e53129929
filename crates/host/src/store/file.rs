//! The catalog in one file of the state folder.
//!
//! A commit writes a temporary file beside it, waits until its bytes are durable, renames it
//! into place and waits until the name is durable. Whoever writes holds the lock of the state
//! folder; readers hold nothing, because a rename shows them the old file or the new one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskOp, DiskReply, RealDisk};
use super::format::{self, Flaw};
use super::{CatalogStore, Loaded, StoreError};
use crate::catalog::{CatalogEvent, CatalogState};
use crate::limits::Limits;

/// Copies of damaged catalogs that are kept at most; beyond that a human has to look first.
const DAMAGED_MAX: usize = 100;

/// A store that keeps the catalog in `plugins.json` of a state folder.
///
/// ```
/// use keyway_host::store::{CatalogStore, FileStore};
/// # let dir = tempfile::tempdir()?;
/// let store = FileStore::open(dir.path().join(".keyway"))?;
/// assert!(store.load()?.state.entries.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileStore {
    dir: PathBuf,
    path: PathBuf,
    limit: u64,
    disk: Arc<dyn Disk>,
    known: Mutex<Option<Known>>,
}

/// What the file held when it was last read or written.
struct Known {
    bytes: Vec<u8>,
    /// What the bytes say, mended.
    state: Arc<CatalogState>,
    /// What was mended.
    events: Vec<CatalogEvent>,
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl FileStore {
    /// Opens the store of a state folder and clears away what a crash left there. The folder is
    /// made by the first commit.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder is there and cannot be used.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_with(dir, &Limits::default(), Arc::new(RealDisk))
    }

    /// Opens a store with limits of the embedder's own, on any disk.
    ///
    /// # Errors
    /// As [`FileStore::open`].
    #[doc(hidden)]
    pub fn open_with(
        dir: impl Into<PathBuf>,
        limits: &Limits,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, StoreError> {
        let dir = dir.into();
        let store = Self {
            path: dir.join("plugins.json"),
            dir,
            limit: limits.catalog_bytes,
            disk,
            known: Mutex::new(None),
        };
        store.clear_leftovers()?;
        Ok(store)
    }

    /// Returns the path of the catalog file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn temporary(&self) -> PathBuf {
        self.dir.join("plugins.json.tmp")
    }

    /// Only the holder of the lock writes, so a temporary file seen under the lock is nobody's.
    fn clear_leftovers(&self) -> Result<(), StoreError> {
        let temporary = self.temporary();
        if let DiskReply::Missing = self.read("look for leftovers", &temporary)? {
            return Ok(());
        }
        // Where the folder cannot be written the catalog can still be read.
        let Ok(_lock) = self.lock() else {
            return Ok(());
        };
        self.ask("remove", &temporary, DiskOp::Remove(&temporary))?;
        Ok(())
    }

    fn ask(
        &self,
        action: &'static str,
        path: &Path,
        op: DiskOp<'_>,
    ) -> Result<DiskReply, StoreError> {
        let reply = self.disk.perform(op);
        reply.map_err(|source| StoreError::io(action, path, source))
    }

    fn read(&self, action: &'static str, path: &Path) -> Result<DiskReply, StoreError> {
        let limit = self.limit;
        self.ask(action, path, DiskOp::Read { path, limit })
    }

    fn lock_for_writing(&self) -> Result<DiskReply, StoreError> {
        self.ask("create", &self.dir, DiskOp::CreateDir(&self.dir))?;
        self.lock()
    }

    fn lock(&self) -> Result<DiskReply, StoreError> {
        let path = self.dir.join("plugins.lock");
        self.ask("lock", &path, DiskOp::Lock(&path))
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsafe_file(&self, reason: String) -> StoreError {
        StoreError::Unsafe {
            path: self.path.clone(),
            reason,
        }
    }

    fn damaged(&self, reason: String) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            reason,
        }
    }

    /// Reads the file and remembers it.
    fn reload(&self, known: &mut Option<Known>) -> Result<Content, StoreError> {
        match self.read("read", &self.path)? {
            DiskReply::Missing => {
                *known = None;
                Ok(Content::Missing)
            }
            DiskReply::Found { bytes, shared } => self.parse(known, bytes, shared),
            DiskReply::TooLarge(bytes) => {
                let limit = self.limit;
                let reason = format!("unexpected {bytes} bytes, expected at most {limit}");
                Ok(Content::Flawed(reason))
            }
            DiskReply::Unsafe(reason) => Err(self.unsafe_file(reason)),
            DiskReply::Done | DiskReply::Held(_) => Err(self.unsafe_file("no answer".to_owned())),
        }
    }

    fn parse(
        &self,
        known: &mut Option<Known>,
        bytes: Vec<u8>,
        shared: Option<&'static str>,
    ) -> Result<Content, StoreError> {
        let was_known = known.is_some();
        if let Some(known) = known
            && known.bytes == bytes
        {
            return Ok(Content::Intact {
                shared,
                moved: false,
            });
        }
        match format::parse(&bytes) {
            Ok(mut state) => {
                let events = state.repair();
                let state = Arc::new(state);
                *known = Some(Known {
                    bytes,
                    state,
                    events,
                });
                Ok(Content::Intact {
                    shared,
                    moved: was_known,
                })
            }
            Err(Flaw::Newer(found)) => Err(StoreError::SchemaNewer {
                path: self.path.clone(),
                found,
            }),
            Err(Flaw::Damaged(reason)) => Ok(Content::Flawed(reason)),
        }
    }

    /// Deals with a damaged file so that the host can start: with the file out of the way, or
    /// with a catalog that cannot be changed until somebody takes it out of the way.
    fn quarantine(&self, known: &mut Option<Known>, reason: &str) -> Vec<CatalogEvent> {
        self.put_aside(known).unwrap_or_else(|error| {
            *known = None;
            let path = self.path.display();
            let message = format!("{path} is damaged ({reason}) and stays where it is: {error}");
            vec![CatalogEvent::warning("CATALOG_DAMAGED", None, message)]
        })
    }

    /// Moves a damaged file aside, so that nothing of it is lost.
    fn put_aside(&self, known: &mut Option<Known>) -> Result<Vec<CatalogEvent>, StoreError> {
        let _lock = self.lock()?;
        // Somebody may have mended it before the lock was ours.
        let Content::Flawed(reason) = self.reload(known)? else {
            return Ok(Vec::new());
        };
        *known = None;
        for n in 1..=DAMAGED_MAX {
            let aside = self.dir.join(format!("plugins.json.damaged-{n}"));
            let rename = DiskOp::Rename {
                from: &self.path,
                to: &aside,
                replace: false,
            };
            match self.disk.perform(rename) {
                Ok(_) => {
                    self.ask("sync", &self.dir, DiskOp::SyncDir(&self.dir))?;
                    let path = self.path.display();
                    let message = format!(
                        "{path} is damaged ({reason}); it is kept as {}",
                        aside.display()
                    );
                    return Ok(vec![CatalogEvent::warning(
                        "CATALOG_DAMAGED",
                        None,
                        message,
                    )]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(StoreError::io("put aside", &self.path, source)),
            }
        }
        Err(self.damaged(reason))
    }

    /// Replaces a file that others can change by a copy that they cannot.
    fn take_over(
        &self,
        known: &mut Option<Known>,
        why: &'static str,
    ) -> Result<Vec<CatalogEvent>, StoreError> {
        let _lock = self.lock()?;
        self.reload(known)?;
        if let Some(Known { bytes, .. }) = known {
            self.replace(bytes)?;
            self.make_durable()?;
        }
        let message = format!("{} was replaced by a copy: {why}", self.path.display());
        Ok(vec![CatalogEvent::warning("CATALOG_SHARED", None, message)])
    }

    fn encode(&self, state: &CatalogState) -> Result<Vec<u8>, StoreError> {
        let bytes = format::write(state)?;
        let (size, limit) = (bytes.len() as u64, self.limit);
        if size > limit {
            return Err(StoreError::TooLarge { bytes: size, limit });
        }
        Ok(bytes)
    }

    /// Makes this the stored catalog. On failure it is the one before.
    fn put(
        &self,
        known: &mut Option<Known>,
        bytes: Vec<u8>,
        state: Arc<CatalogState>,
    ) -> Result<(), StoreError> {
        self.replace(&bytes)?;
        if let Err(error) = self.make_durable() {
            return Err(self.roll_back(known, error));
        }
        *known = Some(Known {
            bytes,
            state,
            events: Vec::new(),
        });
        Ok(())
    }

    /// Writes beside the file and renames over it. On failure the old file is in place.
    fn replace(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.temporary();
        self.ask("remove", &temporary, DiskOp::Remove(&temporary))?;
        let write = DiskOp::Write {
            path: &temporary,
            bytes,
        };
        let rename = DiskOp::Rename {
            from: &temporary,
            to: &self.path,
            replace: true,
        };
        let placed = self
            .ask("write", &temporary, write)
            .and_then(|_| self.ask("rename", &temporary, rename));
        if let Err(error) = placed {
            // What cannot be removed now is cleared away by the next commit.
            let _ = self.disk.perform(DiskOp::Remove(&temporary));
            return Err(error);
        }
        Ok(())
    }

    fn make_durable(&self) -> Result<(), StoreError> {
        self.ask("sync", &self.dir, DiskOp::SyncDir(&self.dir))?;
        Ok(())
    }

    /// Puts the old content back after the new name could not be made durable. A failed sync is
    /// never tried again: what it lost is unknown.
    fn roll_back(&self, known: &mut Option<Known>, error: StoreError) -> StoreError {
        let restored = match known {
            Some(Known { bytes, .. }) => self.replace(bytes),
            None => self
                .ask("remove", &self.path, DiskOp::Remove(&self.path))
                .map(|_| ()),
        };
        match restored {
            Ok(()) => error,
            Err(_) => {
                *known = None;
                StoreError::Unsettled {
                    path: self.path.clone(),
                }
            }
        }
    }

    /// Finds out whether the file still holds what the change was made on.
    fn check_base(
        &self,
        known: &mut Option<Known>,
        expected_revision: u64,
    ) -> Result<(), StoreError> {
        // An edit by hand leaves the revision as it was, and must not be lost either.
        let (found, moved) = match self.reload(known)? {
            Content::Missing => (0, false),
            Content::Intact { moved, .. } => (revision(known.as_ref()), moved),
            Content::Flawed(reason) => return Err(self.damaged(reason)),
        };
        if found == expected_revision && !moved {
            return Ok(());
        }
        Err(StoreError::Conflict {
            expected: expected_revision,
            found,
        })
    }
}

fn stored(known: Option<&Known>) -> Arc<CatalogState> {
    known.map_or_else(Arc::default, |known| Arc::clone(&known.state))
}

fn revision(known: Option<&Known>) -> u64 {
    known.map_or(0, |known| known.state.revision())
}

/// What the file turned out to hold; intact content is in `known`.
enum Content {
    Flawed(String),
    Intact {
        /// Why somebody else could change the file.
        shared: Option<&'static str>,
        /// Whether it is not what it was when it was last read or written.
        moved: bool,
    },
    Missing,
}

impl CatalogStore for FileStore {
    fn load(&self) -> Result<Loaded, StoreError> {
        let mut known = self.known();
        let mut events = match self.reload(&mut known)? {
            Content::Flawed(reason) => self.quarantine(&mut known, &reason),
            Content::Intact {
                shared: Some(why), ..
            } => self.take_over(&mut known, why)?,
            Content::Intact { shared: None, .. } | Content::Missing => Vec::new(),
        };
        events.extend(known.iter().flat_map(|known| known.events.clone()));
        let state = CatalogState::clone(&stored(known.as_ref()));
        Ok(Loaded { state, events })
    }

    fn commit(&self, expected_revision: u64, next: &Arc<CatalogState>) -> Result<(), StoreError> {
        let bytes = self.encode(next)?;
        let mut known = self.known();
        let _lock = self.lock_for_writing()?;
        self.check_base(&mut known, expected_revision)?;
        self.put(&mut known, bytes, Arc::clone(next))
    }

    fn transact(
        &self,
        change: &mut dyn FnMut(&Arc<CatalogState>) -> Option<Arc<CatalogState>>,
    ) -> Result<(), StoreError> {
        let mut known = self.known();
        let _lock = self.lock_for_writing()?;
        let state = match self.reload(&mut known)? {
            Content::Flawed(reason) => return Err(self.damaged(reason)),
            Content::Missing | Content::Intact { .. } => stored(known.as_ref()),
        };
        let Some(next) = change(&state) else {
            return Ok(());
        };
        let bytes = self.encode(&next)?;
        self.put(&mut known, bytes, next)
    }
}
