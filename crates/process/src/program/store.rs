//! The host's own copies of packages, by digest, and the scratch folders of processes.

use std::fs::{self, DirBuilder, File, FileType, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use keyway_host::digest::Digest;
use keyway_host::package::{MANIFEST_FILE, Package};
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, futimens};
use uuid::Uuid;

use super::{ProgramError, Wanted, matches_digest};

/// Copies of packages that are kept though nothing runs from them, those used last: an update may be
/// taken back, and a plugin that sleeps wakes again.
const COPIES_KEPT: usize = 32;
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
    lock: File,
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
    /// hashed now in any case. It stays while it is in use.
    pub(crate) fn take_in(&self, wanted: &Wanted<'_>) -> Result<(Package, InUse), ProgramError> {
        let packages = self.0.join("packages");
        let place = packages.join(hex(wanted.digest));
        if let Ok(copy) = InUse::of(&place)
            && let Ok(package) = Package::read(&place, wanted.limits)
            && package.digest == wanted.digest
        {
            return Ok((package, copy));
        }
        let unreadable = |e| ProgramError::unreadable(&packages, e);
        let staged = self.held(|id| packages.join(format!(".{id}")));
        let staged = staged.map_err(unreadable)?;
        copy(wanted, staged.path())?;
        publish(staged.path(), &place)?;
        drop(staged);
        let copy = InUse::of(&place).map_err(unreadable)?;
        let package = Package::read(&place, wanted.limits).map_err(ProgramError::package)?;
        matches_digest(&package, wanted.digest)?;
        self.forget_copies();
        Ok((package, copy))
    }

    /// Removes the copies that nothing runs from, but for those used last.
    fn forget_copies(&self) {
        let entries = fs::read_dir(self.0.join("packages"));
        let is_copy =
            |entry: &fs::DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
        let copies = entries.into_iter().flatten().flatten().filter(is_copy);
        let mut copies: Vec<_> = copies
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        copies.sort();
        let too_many = copies.len().saturating_sub(COPIES_KEPT);
        for (_, path) in copies.into_iter().take(too_many) {
            remove_unheld(&path);
        }
    }
}

/// A copy of a package from which something runs: no host removes it meanwhile.
#[derive(Debug)]
pub(crate) struct InUse(File);

impl InUse {
    fn of(copy: &Path) -> io::Result<Self> {
        let folder = open_alone(copy)?;
        // Where folders cannot be locked nobody can remove them either.
        if matches!(folder.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        if !same(&folder.metadata()?, &fs::symlink_metadata(copy)?) {
            // It was removed, and made anew, before it was locked.
            return Err(io::ErrorKind::NotFound.into());
        }
        let copy = Self(folder);
        copy.touch();
        Ok(copy)
    }

    /// Notes that it was used just now.
    fn touch(&self) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        // The copy that is not noted goes earlier and is made again.
        let _ = futimens(&self.0, &times);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.touch();
        let_go(&self.0);
    }
}

/// Lets go of a lock in so many words: a process that was forked in this moment has the file open, too,
/// and would hold the lock until it closes it.
fn let_go(lock: &File) {
    let _ = lock.unlock();
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
        let held = Self { folder, lock };
        Ok(held.folder.exists().then_some(held))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.folder);
        let_go(&self.lock);
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
        if is_swept {
            remove_unheld(&entry.path());
        }
    }
}

fn remove_unheld(path: &Path) {
    if let Ok(lock) = open_alone(path)
        && lock.try_lock().is_ok()
    {
        remove(path);
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
    use std::time::{Duration, SystemTime};

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
    fn copies_that_nothing_runs_from_go_but_for_those_used_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let packages = dir.path().join("packages");
        let make = |name: &str| {
            fs::create_dir_all(packages.join(name).join("deep")).unwrap();
            InUse::of(&packages.join(name)).unwrap()
        };
        let was_used = |name: &str, second| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let folder = File::open(packages.join(name)).unwrap();
            folder.set_modified(time).unwrap();
        };
        let fill = |name: &str, second| {
            for number in 0..COPIES_KEPT as u64 {
                let name = format!("{name} {number:02}");
                drop(make(&name));
                was_used(&name, second + number);
            }
        };
        let (in_use, used_last) = (make("in use"), make("used last"));
        was_used("in use", 1);
        was_used("used last", 2);
        fill("old", 10);
        drop(used_last);
        store.forget_copies();
        let kept = left(&packages);
        assert_eq!(kept.len(), COPIES_KEPT + 1, "{kept:?}");
        assert!(!kept.contains(&"old 00".to_owned()), "{kept:?}");
        assert_eq!(kept[0], "in use");
        assert_eq!(kept.last().unwrap(), "used last");
        drop(in_use);
        fill("new", 9_000_000_000);
        store.forget_copies();
        let kept = left(&packages);
        assert_eq!(kept.len(), COPIES_KEPT);
        assert!(kept.iter().all(|name| name.starts_with("new")), "{kept:?}");
    }

    #[test]
    fn a_copy_can_be_used_at_once_whoever_was_forked_while_it_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let (staged, copy) = (dir.path().join("staged"), dir.path().join("copy"));
        make_private(&staged).unwrap();
        let made = Scratch::hold(staged.clone()).unwrap().unwrap();
        let forked = made.lock.try_clone().unwrap();
        fs::rename(&staged, &copy).unwrap();
        drop(made);
        let used = InUse::of(&copy).unwrap();
        let forked = (forked, used.0.try_clone().unwrap());
        drop(used);
        remove_unheld(&copy);
        assert!(!copy.exists());
        drop(forked);
    }

    #[test]
    fn a_copy_that_is_being_removed_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy");
        make_private(&copy).unwrap();
        let remover = open_alone(&copy).unwrap();
        remover.try_lock().unwrap();
        assert!(InUse::of(&copy).is_err());
        drop(remover);
        assert!(InUse::of(&copy).is_ok());
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
