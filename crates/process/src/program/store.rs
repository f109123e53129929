//! The host's own copies of packages, by digest, and the scratch folders of processes.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use keyway_host::digest::Digest;
use keyway_host::package::{MANIFEST_FILE, Package};
use uuid::Uuid;

use super::{ProgramError, Wanted, matches_digest};

/// The folder in which the host keeps what it runs; nobody else may enter it.
#[derive(Debug, Clone)]
pub(crate) struct Store(PathBuf);

/// A folder that one process may write to. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Store {
    /// Makes the folder, or takes the one that is there.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        make_private(folder)?;
        let folder = fs::canonicalize(folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for part in ["packages", "scratch", "descriptors"] {
            make_private(&folder.join(part))?;
        }
        Ok(Self(folder))
    }

    /// Returns the file that remembers what a digest registered.
    pub(crate) fn descriptors(&self, digest: Digest) -> PathBuf {
        self.0
            .join("descriptors")
            .join(format!("{}.json", hex(digest)))
    }

    /// Makes an empty folder for one process.
    pub(crate) fn scratch(&self) -> io::Result<Scratch> {
        let folder = self.0.join("scratch").join(Uuid::now_v7().to_string());
        make_private(&folder)?;
        Ok(Scratch(folder))
    }

    /// Returns the store's copy of an approved package, made now if it is not there, and read and
    /// hashed now in any case.
    pub(crate) fn take_in(&self, wanted: &Wanted<'_>) -> Result<Package, ProgramError> {
        let place = self.0.join("packages").join(hex(wanted.digest));
        if let Ok(package) = Package::read(&place, wanted.limits)
            && package.digest == wanted.digest
        {
            return Ok(package);
        }
        let staged = self.0.join("packages").join(format!(".{}", Uuid::now_v7()));
        let result = copy(wanted, &staged).and_then(|()| publish(&staged, &place));
        if result.is_err() || staged.exists() {
            remove(&staged);
        }
        result?;
        let package = Package::read(&place, wanted.limits).map_err(ProgramError::package)?;
        matches_digest(&package, wanted.digest)?;
        Ok(package)
    }
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Copies the files that the package's digest covers, then hashes the copy: only a copy that is
/// the approved package stays.
fn copy(wanted: &Wanted<'_>, staged: &Path) -> Result<(), ProgramError> {
    let package = Package::read(wanted.source, wanted.limits).map_err(ProgramError::package)?;
    matches_digest(&package, wanted.digest)?;
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |e| ProgramError::unreadable(&path, e)
    };
    make_private(staged).map_err(unreadable(staged))?;
    for file in package.files.keys() {
        let (from, to) = (package.folder.join(file), staged.join(file));
        if let Some(parent) = to.parent() {
            make_private(parent).map_err(unreadable(parent))?;
        }
        copy_file(&from, &to, file).map_err(unreadable(&from))?;
    }
    let copied = Package::read(staged, wanted.limits).map_err(ProgramError::package)?;
    matches_digest(&copied, wanted.digest)
}

fn copy_file(from: &Path, to: &Path, name: &str) -> io::Result<()> {
    let mode = match name == MANIFEST_FILE {
        true => 0o400,
        false => 0o500,
    };
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut source = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow)
        .open(from)?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}

/// Puts a copy in its place. Whoever came first with the same package wins; a damaged copy goes.
fn publish(staged: &Path, place: &Path) -> Result<(), ProgramError> {
    if fs::rename(staged, place).is_ok() {
        return Ok(());
    }
    // What is there is not the package, or it would have been taken. It may be another host's copy
    // by now; the caller reads it again.
    remove(place);
    match fs::rename(staged, place) {
        Err(_) if place.exists() => Ok(()),
        Err(e) => Err(ProgramError::unreadable(place, e)),
        Ok(()) => Ok(()),
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), "a folder could not be removed: {error}");
    }
}

fn hex(digest: Digest) -> String {
    digest.to_string().trim_start_matches("sha256:").to_owned()
}

/// Writes a file that only the host reads, as a whole or not at all. It is not made durable: a file
/// that a crash of the machine took away is made again.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension(Uuid::now_v7().to_string());
    let mut options = OpenOptions::new();
    let mut file: File = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)?;
    io::Write::write_all(&mut file, bytes)?;
    fs::rename(&staged, path)
}
