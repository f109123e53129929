//! From the base folder to a place, one handle after the other.

use std::io;
use std::path::Path;

use cap_fs_ext::{DirExt as _, MetadataExt as _};
use cap_std::fs::{Dir, Metadata};

use super::path::Parts;
use super::{Files, FilesError, shown};

/// Tells one folder from every other, whatever name leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of_folder(folder: &Path) -> io::Result<Self> {
        let handle = Dir::open_ambient_dir(folder, cap_std::ambient_authority())?;
        Self::of(&handle)
    }

    pub(super) fn of(folder: &Dir) -> io::Result<Self> {
        let metadata = folder.dir_metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Tells whether a folder is, or lies below, another one.
pub(super) fn lies_in(folder: &Dir, outer: Identity) -> io::Result<bool> {
    let mut current = folder.try_clone()?;
    let mut identity = Identity::of(&current)?;
    loop {
        if identity == outer {
            return Ok(true);
        }
        current = current.open_parent_dir(cap_std::ambient_authority())?;
        let parent = Identity::of(&current)?;
        if parent == identity {
            return Ok(false);
        }
        identity = parent;
    }
}

/// A name in an open folder; without a name, the folder itself.
pub(super) struct Place {
    pub(super) folder: Dir,
    pub(super) name: Option<String>,
    /// The whole path, printable, for errors.
    pub(super) path: String,
}

impl Files {
    /// Walks to a path. Missing folders are made from the component `make_from` on, counting the
    /// last component of the grant as the first that may be made.
    pub(super) fn walk(&self, parts: &Parts<'_>, make_from: usize) -> Result<Place, FilesError> {
        let written = if parts.absolute { "/" } else { "./" }.to_owned() + &parts.names.join("/");
        let mut place = Place {
            folder: self.start(parts).map_err(|source| FilesError::Io {
                path: shown(&written),
                source,
            })?,
            name: None,
            path: shown(&written),
        };
        place.allowed(&self.protected)?;
        let Some((last, folders)) = parts.names.split_last() else {
            return Ok(place);
        };
        for (depth, name) in folders.iter().enumerate() {
            let next = match place.folder.open_dir_nofollow(name) {
                Err(error) if is_missing(&error) && depth + 1 >= make_from => place.make(name),
                other => other,
            };
            place.folder = next.map_err(|error| place.not_entered(name, error))?;
            place.allowed(&self.protected)?;
        }
        place.name = Some((*last).to_owned());
        Ok(place)
    }

    fn start(&self, parts: &Parts<'_>) -> io::Result<Dir> {
        match parts.absolute {
            true => Dir::open_ambient_dir("/", cap_std::ambient_authority()),
            false => self.base.try_clone(),
        }
    }
}

impl Place {
    /// Returns the name of a file; a folder alone has none.
    pub(super) fn file_name(&self) -> Result<&str, FilesError> {
        self.name.as_deref().ok_or_else(|| self.not_regular())
    }

    /// Opens the folder that stands here.
    pub(super) fn enter(&self, protected: &[Identity]) -> Result<Dir, FilesError> {
        let folder = match &self.name {
            None => self.folder.try_clone().map_err(|e| self.io(e))?,
            Some(name) => {
                let opened = self.folder.open_dir_nofollow(name);
                opened.map_err(|error| self.not_entered(name, error))?
            }
        };
        self.check(&folder, protected)?;
        Ok(folder)
    }

    /// What stands here; a link is an error.
    pub(super) fn metadata(&self) -> Result<Metadata, FilesError> {
        let name = self.file_name()?;
        let metadata = self.folder.symlink_metadata(name).map_err(|e| self.io(e))?;
        match metadata.is_symlink() {
            true => Err(self.link()),
            false => Ok(metadata),
        }
    }

    pub(super) fn regular(&self, metadata: Metadata) -> Result<Metadata, FilesError> {
        match metadata.is_file() {
            true => Ok(metadata),
            false => Err(self.not_regular()),
        }
    }

    fn make(&self, name: &str) -> io::Result<Dir> {
        self.folder.create_dir(name)?;
        super::sync(&self.folder)?;
        self.folder.open_dir_nofollow(name)
    }

    fn allowed(&self, protected: &[Identity]) -> Result<(), FilesError> {
        self.check(&self.folder, protected)
    }

    fn check(&self, folder: &Dir, protected: &[Identity]) -> Result<(), FilesError> {
        let identity = Identity::of(folder).map_err(|e| self.io(e))?;
        match protected.contains(&identity) {
            true => Err(FilesError::Protected {
                path: self.path.clone(),
            }),
            false => Ok(()),
        }
    }

    /// Says why a folder could not be entered: opening a link fails in many ways.
    fn not_entered(&self, name: &str, error: io::Error) -> FilesError {
        match self.folder.symlink_metadata(name) {
            Ok(metadata) if metadata.is_symlink() => self.link(),
            Ok(metadata) if !metadata.is_dir() => FilesError::NotDirectory {
                path: self.path.clone(),
            },
            _ => self.io(error),
        }
    }

    fn link(&self) -> FilesError {
        FilesError::Link {
            path: self.path.clone(),
        }
    }

    fn not_regular(&self) -> FilesError {
        FilesError::NotRegular {
            path: self.path.clone(),
        }
    }

    pub(super) fn too_large(&self, limit: u64) -> FilesError {
        FilesError::TooLarge {
            path: self.path.clone(),
            limit,
        }
    }

    pub(super) fn too_many(&self, limit: usize) -> FilesError {
        FilesError::TooMany {
            path: self.path.clone(),
            limit,
        }
    }

    pub(super) fn io(&self, source: io::Error) -> FilesError {
        let path = self.path.clone();
        match is_missing(&source) {
            true => FilesError::NotFound { path },
            false => FilesError::Io { path, source },
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
