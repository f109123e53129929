//! The state folder: what a store does there, with errors that name the path.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::disk::{Disk, DiskOp, DiskReply};

/// The files of one catalog and the disk that they are on.
pub(super) struct Folder {
    pub(super) dir: PathBuf,
    /// The catalog as of some revision, as a whole.
    pub(super) snapshot: PathBuf,
    /// The changes since, where the catalog is large.
    pub(super) journal: PathBuf,
    temporary: PathBuf,
    limit: u64,
    large_from: usize,
    disk: Arc<dyn Disk>,
}

/// Bytes from which a catalog is large: beyond that writing it anew costs more than a line.
const LARGE_FROM: usize = 256 * 1024;

impl Folder {
    pub(super) fn new(dir: PathBuf, limit: u64, disk: Arc<dyn Disk>) -> Self {
        Self {
            snapshot: dir.join("plugins.json"),
            journal: dir.join("plugins.journal"),
            temporary: dir.join("plugins.json.tmp"),
            dir,
            limit,
            large_from: LARGE_FROM,
            disk,
        }
    }

    pub(super) fn with_large_from(self, bytes: usize) -> Self {
        let large_from = bytes;
        Self { large_from, ..self }
    }

    pub(super) fn is_large(&self, bytes: usize) -> bool {
        bytes >= self.large_from
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

    pub(super) fn read(&self, path: &Path) -> Result<DiskReply, StoreError> {
        let limit = self.limit;
        self.ask("read", path, DiskOp::Read { path, limit })
    }

    /// Returns what the metadata of both files say: reading large files only to find them
    /// unchanged costs more. Nothing where they say nothing.
    pub(super) fn stamps(&self) -> Option<[u64; 2]> {
        Some([self.stamp(&self.snapshot)?, self.stamp(&self.journal)?])
    }

    fn stamp(&self, path: &Path) -> Option<u64> {
        match self.disk.perform(DiskOp::Stamp(path)) {
            Ok(DiskReply::Stamped(stamp)) => Some(stamp),
            Ok(DiskReply::Missing) => Some(0),
            _ => None,
        }
    }

    /// Makes the folder where there is none, and holds its lock until the reply is dropped.
    pub(super) fn lock_for_writing(&self) -> Result<DiskReply, StoreError> {
        self.ask("create", &self.dir, DiskOp::CreateDir(&self.dir))?;
        self.lock()
    }

    pub(super) fn lock(&self) -> Result<DiskReply, StoreError> {
        let path = self.dir.join("plugins.lock");
        self.ask("lock", &path, DiskOp::Lock(&path))
    }

    /// Only the holder of the lock writes, so a temporary file seen under the lock is nobody's.
    pub(super) fn clear_leftovers(&self) -> Result<(), StoreError> {
        if let DiskReply::Missing = self.read(&self.temporary)? {
            return Ok(());
        }
        // Where the folder cannot be written the catalog can still be read.
        let Ok(_lock) = self.lock() else {
            return Ok(());
        };
        self.remove(&self.temporary)
    }

    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.ask("remove", path, DiskOp::Remove(path)).map(drop)
    }

    /// Writes beside a file and renames over it. On failure the old file is in place.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.temporary.as_path();
        self.remove(temporary)?;
        let write = DiskOp::Write {
            path: temporary,
            bytes,
        };
        let rename = DiskOp::Rename {
            from: temporary,
            to: path,
            replace: true,
        };
        let placed = self
            .ask("write", temporary, write)
            .and_then(|_| self.ask("rename", temporary, rename));
        if placed.is_err() {
            // What cannot be removed now is cleared away by the next commit.
            let _ = self.remove(temporary);
        }
        placed.map(drop)
    }

    /// Waits until the names in the folder are durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.ask("sync", &self.dir, DiskOp::SyncDir(&self.dir))
            .map(drop)
    }

    /// Cuts a file to a length, writes behind that, and waits until it is durable.
    pub(super) fn append(&self, path: &Path, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.ask("append to", path, DiskOp::Append { path, at, bytes })
            .map(drop)
    }

    /// Gives a file a free name beside its own, and returns that; nothing where there is no file.
    pub(super) fn put_aside(&self, path: &Path) -> Result<Option<PathBuf>, StoreError> {
        for n in 1..=ASIDE_MAX {
            let mut aside = path.as_os_str().to_owned();
            aside.push(format!(".damaged-{n}"));
            let aside = PathBuf::from(aside);
            let rename = DiskOp::Rename {
                from: path,
                to: &aside,
                replace: false,
            };
            match self.disk.perform(rename) {
                Ok(_) => {
                    self.sync()?;
                    return Ok(Some(aside));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(source) => return Err(StoreError::io("put aside", path, source)),
            }
        }
        Err(self.damaged(format!("there are {ASIDE_MAX} damaged copies already")))
    }

    pub(super) fn refused(&self, path: &Path, reason: String) -> StoreError {
        StoreError::Unsafe {
            path: path.to_owned(),
            reason,
        }
    }

    pub(super) fn damaged(&self, reason: String) -> StoreError {
        StoreError::Damaged {
            path: self.snapshot.clone(),
            reason,
        }
    }

    pub(super) fn too_large(&self, bytes: u64) -> String {
        format!("unexpected {bytes} bytes, expected at most {}", self.limit)
    }

    /// Refuses a size beyond the limit.
    pub(super) fn check_size(&self, bytes: usize) -> Result<(), StoreError> {
        let (bytes, limit) = (bytes as u64, self.limit);
        if bytes <= limit {
            return Ok(());
        }
        Err(StoreError::TooLarge { bytes, limit })
    }
}

/// Copies of damaged files that are kept at most; beyond that a human has to look first.
const ASIDE_MAX: usize = 100;
