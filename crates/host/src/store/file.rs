//! The catalog in one file of the state folder, and a journal beside it where it is large.
//!
//! A commit writes a temporary file beside the catalog, waits until its bytes are durable,
//! renames it into place and waits until the name is durable. In a large catalog it appends one
//! line to the journal instead, now and then writes the file anew, and the file alone is always
//! a whole catalog of some revision. Whoever writes holds the lock of the state folder; readers
//! hold nothing, because a rename shows them the old file or the new one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content::{self, Content, Known};
use super::disk::{Disk, RealDisk};
use super::folder::Folder;
use super::format;
use super::journal::{self, Delta};
use super::{CatalogStore, Loaded, StoreError};
use crate::catalog::{CatalogEvent, CatalogState};
use crate::limits::Limits;

/// Bytes of a journal after which the catalog is written anew.
const JOURNAL_MAX: usize = 1024 * 1024;

/// A store that keeps the catalog in `plugins.json` of a state folder.
///
/// Beyond 256 KiB changes go to `plugins.journal` first, and `plugins.json` follows after at most
/// 1 MiB of them; take both, or the lock, to copy a catalog.
///
/// ```
/// use keyway_host::store::{CatalogStore, FileStore};
/// # let dir = tempfile::tempdir()?;
/// let store = FileStore::open(dir.path().join(".keyway"))?;
/// assert!(store.load()?.state.entries.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileStore {
    folder: Folder,
    known: Mutex<Option<Known>>,
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.folder.snapshot)
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
        let store = Self {
            folder: Folder::new(dir.into(), limits.catalog_bytes, disk),
            known: Mutex::new(None),
        };
        store.folder.clear_leftovers()?;
        Ok(store)
    }

    /// Counts a catalog as large from so many bytes on.
    #[doc(hidden)]
    #[must_use]
    pub fn with_large_from(mut self, bytes: usize) -> Self {
        self.folder = self.folder.with_large_from(bytes);
        self
    }

    /// Returns the path of the catalog file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder.snapshot
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out whether the files still hold what the change was made on.
    fn check_base(
        &self,
        known: &mut Option<Known>,
        expected_revision: u64,
    ) -> Result<(), StoreError> {
        // An edit by hand leaves the revision as it was, and must not be lost either.
        let (found, moved) = match content::reload(&self.folder, known)? {
            Content::Missing => (0, false),
            Content::Intact { moved, .. } => (stored(known.as_ref()).revision(), moved),
            Content::Flawed(reason) => return Err(self.folder.damaged(reason)),
        };
        if found == expected_revision && !moved {
            return Ok(());
        }
        Err(StoreError::Conflict {
            expected: expected_revision,
            found,
        })
    }

    /// Makes this the stored catalog. On failure it is the one before.
    fn put(&self, known: &mut Option<Known>, next: &Arc<CatalogState>) -> Result<(), StoreError> {
        let delta = known.as_ref().and_then(|known| self.delta(known, next));
        match (delta, &mut *known) {
            (Some(delta), Some(at)) => {
                let outcome = self.put_line(at, &delta, next);
                self.settled(known, outcome)?;
            }
            _ => self.put_whole(known, next)?,
        }
        // The lock is held, so nobody else wrote since.
        if let Some(known) = known {
            let large = self.folder.is_large(known.bytes.len());
            known.stamps = self.folder.stamps().filter(|_| large);
        }
        Ok(())
    }

    /// Returns the line that says the change, where a line shall say it.
    fn delta(&self, known: &Known, next: &CatalogState) -> Option<Delta> {
        let is_due = known.whole >= JOURNAL_MAX;
        // What was mended is in no file yet, so a difference to it would say too little.
        let is_faithful = known.events.is_empty();
        let is_large = self.folder.is_large(known.bytes.len());
        // The catalog is never larger than both files, so this much is within the limit.
        let fits = self
            .folder
            .check_size(known.bytes.len() + 2 * JOURNAL_MAX)
            .is_ok();
        (is_large && fits && !is_due && is_faithful)
            .then(|| Delta::between(&known.state, next))
            .flatten()
    }

    fn put_line(
        &self,
        known: &mut Known,
        delta: &Delta,
        next: &Arc<CatalogState>,
    ) -> Result<(), Undone> {
        let line = journal::line(delta)?;
        if known.whole == 0 {
            let text = [journal::header(known.base)?, line].concat();
            self.begin_journal(&text)?;
            known.journal = text;
        } else {
            self.append(known.whole as u64, &line)?;
            known.journal.truncate(known.whole);
            known.journal.extend(line);
        }
        known.whole = known.journal.len();
        known.state = Arc::clone(next);
        Ok(())
    }

    fn begin_journal(&self, text: &[u8]) -> Result<(), Undone> {
        let journal = &self.folder.journal;
        self.folder.replace(journal, text)?;
        let synced = self.folder.sync();
        synced.map_err(|error| Undone::after(error, self.folder.remove(journal).is_ok()))
    }

    fn append(&self, at: u64, line: &[u8]) -> Result<(), Undone> {
        let journal = &self.folder.journal;
        let appended = self.folder.append(journal, at, line);
        appended.map_err(|error| Undone::after(error, self.folder.append(journal, at, &[]).is_ok()))
    }

    fn put_whole(
        &self,
        known: &mut Option<Known>,
        next: &Arc<CatalogState>,
    ) -> Result<(), StoreError> {
        let bytes = format::write(next)?;
        self.folder.check_size(bytes.len())?;
        let journal = &self.folder.journal;
        match known {
            None => self.folder.remove(journal)?,
            Some(known) if known.is_cut_short => drop(self.folder.put_aside(journal)?),
            Some(_) => {}
        }
        let outcome = self.replace(known.as_ref(), &bytes);
        self.settled(known, outcome)?;
        // From here on the journal is of an older file, which every reader notices.
        let _ = self.folder.remove(journal);
        *known = Some(Known::fresh(bytes, Arc::clone(next)));
        Ok(())
    }

    /// Replaces the file, and puts the old one back where the new name could not be made
    /// durable. A failed sync is never tried again: what it lost is unknown.
    fn replace(&self, known: Option<&Known>, bytes: &[u8]) -> Result<(), Undone> {
        let path = &self.folder.snapshot;
        self.folder.replace(path, bytes)?;
        self.folder.sync().map_err(|error| {
            let back = match known {
                Some(known) => self.folder.replace(path, &known.bytes),
                None => self.folder.remove(path),
            };
            Undone::after(error, back.is_ok())
        })
    }

    fn settled(
        &self,
        known: &mut Option<Known>,
        outcome: Result<(), Undone>,
    ) -> Result<(), StoreError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Undone::Whole(error)) => {
                if let Some(known) = known {
                    known.stamps = None;
                }
                Err(error)
            }
            Err(Undone::InDoubt) => {
                *known = None;
                let path = self.folder.snapshot.clone();
                Err(StoreError::Unsettled { path })
            }
        }
    }
}

/// How a failed write was undone.
enum Undone {
    /// The old content is in place.
    Whole(StoreError),
    /// Not even that is known.
    InDoubt,
}

impl Undone {
    fn after(error: StoreError, is_undone: bool) -> Self {
        if is_undone {
            Self::Whole(error)
        } else {
            Self::InDoubt
        }
    }
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Whole(error)
    }
}

fn stored(known: Option<&Known>) -> Arc<CatalogState> {
    known.map_or_else(Arc::default, |known| Arc::clone(&known.state))
}

/// Dealing with files that are not as they should be.
impl FileStore {
    /// Deals with a damaged file so that the host can start: with the file out of the way, or
    /// with a catalog that cannot be changed until somebody takes it out of the way.
    fn quarantine(&self, known: &mut Option<Known>, reason: &str) -> Vec<CatalogEvent> {
        self.put_aside(known).unwrap_or_else(|error| {
            *known = None;
            let path = self.path().display();
            let message = format!("{path} is damaged ({reason}) and stays where it is: {error}");
            vec![CatalogEvent::warning("CATALOG_DAMAGED", None, message)]
        })
    }

    /// Moves a damaged file aside, so that nothing of it is lost. Its journal continues it and
    /// nothing else, so that goes the same way.
    fn put_aside(&self, known: &mut Option<Known>) -> Result<Vec<CatalogEvent>, StoreError> {
        let _lock = self.folder.lock()?;
        // Somebody may have mended it before the lock was ours.
        let Content::Flawed(reason) = content::reload(&self.folder, known)? else {
            return Ok(Vec::new());
        };
        *known = None;
        let aside = self.folder.put_aside(&self.folder.snapshot)?;
        self.folder.put_aside(&self.folder.journal)?;
        let aside = aside.unwrap_or_default();
        let (path, aside) = (self.path().display(), aside.display());
        let message = format!("{path} is damaged ({reason}); it is kept as {aside}");
        Ok(vec![CatalogEvent::warning(
            "CATALOG_DAMAGED",
            None,
            message,
        )])
    }

    fn replaced_by_copy(&self, why: &str) -> CatalogEvent {
        let message = format!("{} was replaced by a copy: {why}", self.path().display());
        CatalogEvent::warning("CATALOG_SHARED", None, message)
    }

    /// Replaces files that others can change by a copy that they cannot.
    fn copy(&self, known: &mut Option<Known>) -> Result<(), StoreError> {
        let _lock = self.folder.lock()?;
        content::reload(&self.folder, known)?;
        if let Some(known) = known {
            let path = &self.folder.snapshot;
            self.folder.replace(path, &known.bytes)?;
            self.folder.sync()?;
        }
        Ok(())
    }

    /// Writes down what can be read where a journal is damaged, and puts the journal aside.
    fn cut(&self, known: &mut Option<Known>) -> Result<(), StoreError> {
        let _lock = self.folder.lock()?;
        content::reload(&self.folder, known)?;
        if let Some(before) = known
            && before.is_cut_short
        {
            let state = Arc::clone(&before.state);
            self.put_whole(known, &state)?;
        }
        Ok(())
    }
}

impl CatalogStore for FileStore {
    fn load(&self) -> Result<Loaded, StoreError> {
        let mut known = self.known();
        let mut events = Vec::new();
        match content::reload(&self.folder, &mut known)? {
            Content::Flawed(reason) => events.extend(self.quarantine(&mut known, &reason)),
            Content::Intact { shared, .. } => {
                if let Some(why) = shared {
                    self.copy(&mut known)?;
                    events.push(self.replaced_by_copy(why));
                }
                events.extend(known.iter().flat_map(|known| known.events.clone()));
                if known.as_ref().is_some_and(|known| known.is_cut_short) {
                    self.cut(&mut known)?;
                }
            }
            Content::Missing => {}
        }
        let state = CatalogState::clone(&stored(known.as_ref()));
        Ok(Loaded { state, events })
    }

    fn commit(&self, expected_revision: u64, next: &Arc<CatalogState>) -> Result<(), StoreError> {
        let mut known = self.known();
        let _lock = self.folder.lock_for_writing()?;
        self.check_base(&mut known, expected_revision)?;
        self.put(&mut known, next)
    }

    fn transact(
        &self,
        change: &mut dyn FnMut(&Arc<CatalogState>) -> Option<Arc<CatalogState>>,
    ) -> Result<(), StoreError> {
        let mut known = self.known();
        let _lock = self.folder.lock_for_writing()?;
        if let Content::Flawed(reason) = content::reload(&self.folder, &mut known)? {
            return Err(self.folder.damaged(reason));
        }
        match change(&stored(known.as_ref())) {
            Some(next) => self.put(&mut known, &next),
            None => Ok(()),
        }
    }
}
