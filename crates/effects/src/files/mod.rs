//! Files under a directory handle.
//!
//! The gate has already compared the path with the grant; this module makes sure that what is
//! opened is what was compared. Every component is opened from the handle of the one before it
//! and no link is ever followed, so neither `..`, nor a link, nor a swap between check and use
//! leads anywhere else. Only regular files with one name are read. A file is replaced as a whole
//! and durably: a new file is written, made durable, and given the old one's name.
//!
//! | never | because |
//! |---|---|
//! | follows a symbolic link, in any component | it leads out of the grant |
//! | reads a file with a second name (hard link) | the other name may lie outside of the grant |
//! | opens a FIFO, socket or device | it blocks, or it is not a file |
//! | enters a protected folder, under any name | the host's own state and secrets lie there |
//! | writes to `.git`, `.claude`, `AGENTS.md`, … inside a wider grant | they steer agents and shells |
//!
//! Relative paths, in grants and in requests, count from the base folder; absolute ones from `/`,
//! and a grant of one kind never covers a path of the other.

mod error;
mod path;
mod walk;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_fs_ext::{
    FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _,
};
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use keyway_plugin_api::FileStat;

pub use error::FilesError;

use self::walk::{Identity, Place};
use crate::EffectLimits;

/// Begins the name of a file that is being written.
const TEMPORARY: &str = ".keyway-tmp-";

/// Files below a base folder. Each method is given the paths of the covering grant.
///
/// ```
/// use keyway_effects::{EffectLimits, files::Files};
/// use std::collections::BTreeSet;
///
/// let folder = tempfile::tempdir()?;
/// let files = Files::open(folder.path(), EffectLimits::default())?;
/// let granted = BTreeSet::from(["./notes".to_owned()]);
/// files.write(&granted, "notes/today.txt", b"hello")?;
/// assert_eq!(files.read(&granted, "./notes/today.txt")?, b"hello");
/// assert!(files.read(&granted, "notes/../secret").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Files {
    base: Dir,
    protected: Vec<Identity>,
    limits: EffectLimits,
}

impl Files {
    /// Opens the base folder.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(base: &Path, limits: EffectLimits) -> io::Result<Self> {
        Ok(Self {
            base: Dir::open_ambient_dir(base, cap_std::ambient_authority())?,
            protected: Vec::new(),
            limits,
        })
    }

    /// Keeps everybody out of an existing folder, whatever name leads to it.
    ///
    /// # Errors
    /// What the operating system says; [`io::ErrorKind::InvalidInput`] when the base folder lies
    /// in that folder, since then nothing would be left.
    pub fn protect(&mut self, folder: &Path) -> io::Result<()> {
        let identity = Identity::of_folder(folder)?;
        if walk::lies_in(&self.base, identity)? {
            let message = "the base folder lies in the protected folder";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.protected.push(identity);
        Ok(())
    }

    /// Reads a whole regular file.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn read(&self, granted: &BTreeSet<String>, path: &str) -> Result<Vec<u8>, FilesError> {
        let place = self.find(granted, path)?;
        let (file, _) = open_regular(&place)?;
        let limit = self.limits.file_bytes;
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|source| place.io(source))?;
        match bytes.len() as u64 > limit {
            true => Err(place.too_large(limit)),
            false => Ok(bytes),
        }
    }

    /// Tells whether a path is a directory or a regular file, and how large it is.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn stat(&self, granted: &BTreeSet<String>, path: &str) -> Result<FileStat, FilesError> {
        let place = self.find(granted, path)?;
        let is_directory = match &place.name {
            None => true,
            Some(_) => place.metadata()?.is_dir(),
        };
        if is_directory {
            place.enter(&self.protected)?;
            return Ok(FileStat {
                is_directory,
                bytes: 0,
            });
        }
        let (_, metadata) = open_regular(&place)?;
        Ok(FileStat {
            is_directory,
            bytes: metadata.len(),
        })
    }

    /// Lists the names in a directory, sorted; names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn list(&self, granted: &BTreeSet<String>, path: &str) -> Result<Vec<String>, FilesError> {
        let place = self.find(granted, path)?;
        let folder = place.enter(&self.protected)?;
        let mut names = Vec::new();
        for entry in folder.entries().map_err(|source| place.io(source))? {
            let entry = entry.map_err(|source| place.io(source))?;
            let name = entry.file_name().into_string().ok();
            names.extend(name.filter(|name| !name.starts_with(TEMPORARY)));
            if names.len() > self.limits.directory_entries {
                return Err(place.too_many(self.limits.directory_entries));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Replaces a file as a whole, durably, keeping its permissions. Missing folders are made, at
    /// and below the granted path only.
    ///
    /// # Errors
    /// [`FilesError`]; the file is then what it was before.
    pub fn write(
        &self,
        granted: &BTreeSet<String>,
        path: &str,
        bytes: &[u8],
    ) -> Result<(), FilesError> {
        let limit = self.limits.file_bytes;
        let place = self.find_to_write(granted, path, true)?;
        if bytes.len() as u64 > limit {
            return Err(place.too_large(limit));
        }
        let name = place.file_name()?;
        let old = match place.metadata() {
            Ok(metadata) => Some(place.regular(metadata)?),
            Err(FilesError::NotFound { .. }) => None,
            Err(other) => return Err(other),
        };
        if old.as_ref().is_some_and(|old| old.permissions().readonly()) {
            return Err(place.io(io::ErrorKind::PermissionDenied.into()));
        }
        let temporary = format!(
            "{TEMPORARY}{:016x}",
            RandomState::new().build_hasher().finish()
        );
        let written = write_new(&place.folder, &temporary, bytes, old.as_ref())
            .and_then(|()| place.folder.rename(&temporary, &place.folder, name))
            .and_then(|()| sync(&place.folder));
        written.map_err(|source| {
            // What is left behind is a file nobody lists; the failure is what counts.
            let _ = place.folder.remove_file(&temporary);
            place.io(source)
        })
    }

    /// Removes a regular file, durably.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn remove(&self, granted: &BTreeSet<String>, path: &str) -> Result<(), FilesError> {
        let place = self.find_to_write(granted, path, false)?;
        let name = place.file_name()?;
        place.regular(place.metadata()?)?;
        let removed = place.folder.remove_file(name);
        removed
            .and_then(|()| sync(&place.folder))
            .map_err(|source| place.io(source))
    }

    fn find(&self, granted: &BTreeSet<String>, path: &str) -> Result<Place, FilesError> {
        let parts = path::Parts::parse(path)?;
        if parts.granted_by(granted).is_none() {
            return Err(outside(path));
        }
        self.walk(&parts, usize::MAX)
    }

    fn find_to_write(
        &self,
        granted: &BTreeSet<String>,
        path: &str,
        make: bool,
    ) -> Result<Place, FilesError> {
        let parts = path::Parts::parse(path)?;
        let grant = parts.granted_by(granted).ok_or_else(|| outside(path))?;
        if parts.steers(grant) {
            return Err(FilesError::Steering { path: shown(path) });
        }
        self.walk(&parts, if make { grant } else { usize::MAX })
    }
}

fn outside(path: &str) -> FilesError {
    FilesError::OutsideGrant { path: shown(path) }
}

/// Opens a regular file with one name, without following a link and without blocking.
fn open_regular(place: &Place) -> Result<(File, Metadata), FilesError> {
    let name = place.file_name()?;
    place.regular(place.metadata()?)?;
    let mut options = OpenOptions::new();
    options.read(true).nonblock(true).follow(FollowSymlinks::No);
    let file = place
        .folder
        .open_with(name, &options)
        .map_err(|e| place.io(e))?;
    // Asked again of the handle: the name may stand for something else by now.
    let metadata = file.metadata().map_err(|e| place.io(e))?;
    let metadata = place.regular(metadata)?;
    match metadata.nlink() {
        1 => Ok((file, metadata)),
        _ => Err(FilesError::HardLink {
            path: place.path.clone(),
        }),
    }
}

fn write_new(folder: &Dir, name: &str, bytes: &[u8], old: Option<&Metadata>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .follow(FollowSymlinks::No);
    let mut file = folder.open_with(name, &options)?;
    if let Some(old) = old {
        file.set_permissions(plain_permissions(old))?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

/// The permissions of a file without set-user-id and its like.
fn plain_permissions(metadata: &Metadata) -> cap_std::fs::Permissions {
    let permissions = metadata.permissions();
    #[cfg(unix)]
    {
        use cap_std::fs::PermissionsExt as _;
        cap_std::fs::Permissions::from_mode(permissions.mode() & 0o777)
    }
    #[cfg(not(unix))]
    permissions
}

/// Waits until the names in a folder are durable. A handle that walks cannot be waited on, so
/// the folder is opened once more, through that handle.
fn sync(folder: &Dir) -> io::Result<()> {
    let mut options = OpenOptions::new();
    folder.open_with(".", options.read(true))?.sync_all()
}

/// A path for an error: cut and printable.
fn shown(path: &str) -> String {
    keyway_host::text::excerpt(path).into_owned()
}
