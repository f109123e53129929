//! The host's own copies of packages, by digest, and the scratch folders of processes.

use std::fs::{self, DirBuilder, File, FileType, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use keyway_host::digest::Digest;
use keyway_host::package::{MANIFEST_FILE, Package};
use rustix::fs::OFlags;
use uuid::Uuid;

use super::{ProgramError, Wanted, matches_digest};

/// How often a scratch folder is made that another host takes for a leftover.
const ATTEMPTS: usize = 8;

/// The folder in which the host keeps what it runs; nobody else may enter it.
#[derive(Debug, Clone)]
pub(crate) struct Store(PathBuf);

/// A folder that one process may write to, or that a package is copied to. Dropping it removes it; the
/// next [`Store::open`] does where its host was killed.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    /// Holds the folder's lock while the host lives: the system lets go of it with the host.
    _lock: File,
}

impl Store {
    /// Makes the folder, or takes the one that is there, without what killed hosts left in it.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        make_private(folder)?;
        let folder = fs::canonicalize(folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for part in ["packages", "scratch", "descriptors"] {
            make_private(&folder.join(part))?;
        }
        let store = Self(folder);
        store.sweep();
        Ok(store)
    }

    /// Removes the scratch folders, unfinished copies and unfinished files that no host holds. What
    /// cannot be looked at stays.
    fn sweep(&self) {
        let is_copy = |name: &str| name.starts_with('.');
        let is_staged = |name: &str| !name.ends_with(".json");
        sweep(&self.0.join("scratch"), |_| true, FileType::is_dir);
        sweep(&self.0.join("packages"), is_copy, FileType::is_dir);
        sweep(&self.0.join("descriptors"), is_staged, FileType::is_file);
    }

    /// Returns the file that remembers what a digest registered.
    pub(crate) fn descriptors(&self, digest: Digest) -> PathBuf {
        self.0
            .join("descriptors")
            .join(format!("{}.json", hex(digest)))
    }

    /// Makes an empty folder for one process.
    pub(crate) fn scratch(&self) -> io::Result<Scratch> {
        self.held(|id| self.0.join("scratch").join(id.to_string()))
    }

    /// Makes an empty folder that no other host removes while this one has it.
    fn held(&self, place: impl Fn(Uuid) -> PathBuf) -> io::Result<Scratch> {
        for _ in 0..ATTEMPTS {
            let folder = place(Uuid::now_v7());
            make_private(&folder)?;
            if let Some(held) = Scratch::hold(folder)? {
                return Ok(held);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
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
        let packages = self.0.join("packages");
        let staged = self.held(|id| packages.join(format!(".{id}")));
        let staged = staged.map_err(|e| ProgramError::unreadable(&packages, e))?;
        copy(wanted, staged.path())?;
        publish(staged.path(), &place)?;
        let package = Package::read(&place, wanted.limits).map_err(ProgramError::package)?;
        matches_digest(&package, wanted.digest)?;
        Ok(package)
    }
}

impl Scratch {
    /// Locks a new folder; `None` where another host has taken it for a leftover before that.
    fn hold(folder: PathBuf) -> io::Result<Option<Self>> {
        let lock = match open_alone(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(None);
        }
        // Where folders cannot be locked nobody can sweep them either.
        let held = Self {
            folder,
            _lock: lock,
        };
        Ok(held.folder.exists().then_some(held))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.folder);
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
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
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

/// Removes what has such a name in a folder, is of a kind and is held by no host.
fn sweep(folder: &Path, is_named: impl Fn(&str) -> bool, is_kind: impl Fn(&FileType) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_swept = entry.file_name().to_str().is_some_and(&is_named)
            && entry.file_type().is_ok_and(|kind| is_kind(&kind));
        if is_swept
            && let Ok(lock) = open_alone(&entry.path())
            && lock.try_lock().is_ok()
        {
            remove(&entry.path());
        }
    }
}

/// Opens a folder or a file, and no link to one; a pipe in its place does not block.
fn open_alone(path: &Path) -> io::Result<File> {
    let only = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let only = i32::try_from(only.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(only).open(path)
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Removes a folder or a file.
fn remove(path: &Path) {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), "a leftover could not be removed: {error}");
    }
}

fn hex(digest: Digest) -> String {
    digest.to_string().trim_start_matches("sha256:").to_owned()
}

/// Writes a file that only the host reads, as a whole or not at all. It is not made durable: a file
/// that a crash of the machine took away is made again. Until it is whole its lock says that it is no
/// leftover; where another host was quicker the write fails.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension(Uuid::now_v7().to_string());
    let mut options = OpenOptions::new();
    let mut file: File = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)?;
    // Where files cannot be locked nobody can sweep them either.
    drop(file.lock());
    io::Write::write_all(&mut file, bytes)?;
    fs::rename(&staged, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn leftovers_go_and_what_a_host_holds_or_a_link_names_stays() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(dir.path()).unwrap();
        let held = store.scratch().unwrap();
        let leftover = dir.path().join("scratch/leftover/deep");
        fs::create_dir_all(&leftover).unwrap();
        File::create(elsewhere.path().join("kept")).unwrap();
        for from in [dir.path().join("scratch/link"), leftover.join("link")] {
            std::os::unix::fs::symlink(elsewhere.path(), from).unwrap();
        }

        drop(Store::open(dir.path()).unwrap());
        let held_name = held
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let scratch = dir.path().join("scratch");
        assert_eq!(left(&scratch), [held_name.as_str(), "link"]);
        assert!(elsewhere.path().join("kept").exists());
        drop(held);
        assert_eq!(left(&scratch), ["link"]);
    }

    #[test]
    fn unfinished_copies_and_files_of_killed_hosts_go_and_those_of_living_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (packages, descriptors) = (dir.path().join("packages"), dir.path().join("descriptors"));
        let copying = store.held(|_| packages.join(".copying")).unwrap();
        for copy in [".killed/deep", "0123abcd"] {
            fs::create_dir_all(packages.join(copy)).unwrap();
        }
        for file in ["0123abcd.json", "0123abcd.killed", "4567cdef.writing"] {
            File::create(descriptors.join(file)).unwrap();
        }
        let writing = File::open(descriptors.join("4567cdef.writing")).unwrap();
        writing.lock().unwrap();

        drop(Store::open(dir.path()).unwrap());
        assert_eq!(left(&packages), [".copying", "0123abcd"]);
        assert_eq!(left(&descriptors), ["0123abcd.json", "4567cdef.writing"]);
        drop((copying, writing));
        drop(Store::open(dir.path()).unwrap());
        assert_eq!(left(&packages), ["0123abcd"]);
        assert_eq!(left(&descriptors), ["0123abcd.json"]);
    }

    #[test]
    fn what_is_written_is_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        write_private(&dir.path().join("a.json"), b"{}").unwrap();
        assert_eq!(left(dir.path()), ["a.json"]);
        assert_eq!(fs::read(dir.path().join("a.json")).unwrap(), b"{}");
    }

    #[test]
    fn a_folder_that_was_swept_before_it_was_held_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Scratch::hold(dir.path().join("gone")).unwrap().is_none());
        let swept = dir.path().join("swept");
        make_private(&swept).unwrap();
        let sweeper = open_alone(&swept).unwrap();
        sweeper.try_lock().unwrap();
        assert!(Scratch::hold(swept.clone()).unwrap().is_none());
        drop(sweeper);
        assert!(Scratch::hold(swept).unwrap().is_some());
    }
}
