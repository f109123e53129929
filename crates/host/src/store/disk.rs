//! The few things a file store asks of a disk, so that a test can put a failing or a forgetting
//! disk in its place.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::file_lock::lock_within;

/// One thing that a store asks of a disk.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum DiskOp<'a> {
    /// Cuts a regular file to a length, writes behind that, and waits until the bytes are
    /// durable.
    Append {
        /// The file; it must exist.
        path: &'a Path,
        /// The length to cut it to.
        at: u64,
        /// What comes behind.
        bytes: &'a [u8],
    },
    /// Makes a folder that only its owner can enter, with its parents; fine where there is one.
    CreateDir(&'a Path),
    /// Waits for the lock that this file stands for, at most half a minute, and holds it until
    /// the reply is dropped.
    Lock(&'a Path),
    /// Reads a regular file of at most so many bytes, never through a link.
    Read {
        /// The file.
        path: &'a Path,
        /// The most bytes to read.
        limit: u64,
    },
    /// Removes a file; fine where there is none.
    Remove(&'a Path),
    /// Gives a file another name.
    Rename {
        /// The name it has.
        from: &'a Path,
        /// The name it gets.
        to: &'a Path,
        /// Whether a file of that name may be replaced.
        replace: bool,
    },
    /// Returns a number that differs when the file does, by its metadata.
    Stamp(&'a Path),
    /// Waits until the names in a folder are durable.
    SyncDir(&'a Path),
    /// Writes a new file, readable by its owner only, and waits until its bytes are durable.
    Write {
        /// The file; it must not exist.
        path: &'a Path,
        /// Its content.
        bytes: &'a [u8],
    },
}

/// What a disk answers.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiskReply {
    /// It is done.
    Done,
    /// The file's content.
    Found {
        /// All of it.
        bytes: Vec<u8>,
        /// Why somebody else could change the file, where somebody could; replacing it by a
        /// copy mends that.
        shared: Option<&'static str>,
    },
    /// The lock is held until this is dropped.
    Held(Box<dyn Any + Send>),
    /// There is no such file.
    Missing,
    /// What the metadata say; never zero.
    Stamped(u64),
    /// The file has more bytes than were asked for.
    TooLarge(u64),
    /// The file cannot be trusted, and is not touched.
    Unsafe(String),
}

/// Does what a store asks.
pub trait Disk: Send + Sync + 'static {
    /// Does one thing, and returns when it is done.
    ///
    /// # Errors
    /// What the operating system says.
    fn perform(&self, op: DiskOp<'_>) -> io::Result<DiskReply>;
}

/// The disk of the machine.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RealDisk;

impl Disk for RealDisk {
    fn perform(&self, op: DiskOp<'_>) -> io::Result<DiskReply> {
        match op {
            DiskOp::Append { path, at, bytes } => append(path, at, bytes),
            DiskOp::CreateDir(path) => create_dir(path),
            DiskOp::Lock(path) => lock(path),
            DiskOp::Read { path, limit } => read(path, limit),
            DiskOp::Remove(path) => remove(path),
            DiskOp::Rename { from, to, replace } => rename(from, to, replace),
            DiskOp::Stamp(path) => stamp(path),
            DiskOp::SyncDir(path) => sync_dir(path),
            DiskOp::Write { path, bytes } => write(path, bytes),
        }
    }
}

fn create_dir(path: &Path) -> io::Result<DiskReply> {
    if path.is_dir() {
        return Ok(DiskReply::Done);
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    if let Some(parent) = path.parent() {
        sync_dir(parent)?;
    }
    Ok(DiskReply::Done)
}

fn lock(path: &Path) -> io::Result<DiskReply> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    let file = options.open(path)?;
    match lock_within(&file, PATIENCE) {
        Ok(()) => Ok(DiskReply::Held(Box::new(file))),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "another process holds it and does not let go",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// How long to wait for another writer: many changes of a large catalog on a slow disk, and an
/// end to the wait for one that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// New files are their owner's alone, and no link is followed.
fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(open_flags());
    }
    #[cfg(not(unix))]
    let _ = options;
}

/// A FIFO in the place of a file must not hang the host, so nothing blocks either.
#[cfg(unix)]
fn open_flags() -> i32 {
    use rustix::fs::OFlags;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    i32::try_from(flags.bits()).unwrap_or_default()
}

/// The checks are on the handle that is read, so nothing can be swapped in between.
fn read(path: &Path, limit: u64) -> io::Result<DiskReply> {
    let mut options = OpenOptions::new();
    options.read(true);
    private(&mut options);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(DiskReply::Missing),
        Err(error) => return refused_open(path, error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(DiskReply::Unsafe("it is not a regular file".to_owned()));
    }
    let shared = match ownership(&metadata) {
        Ok(shared) => shared,
        Err(reason) => return Ok(DiskReply::Unsafe(reason)),
    };
    // As large as the file says it is: what grows into its size takes up to twice that.
    let expected = usize::try_from(metadata.len().min(limit)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(expected.saturating_add(1));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Ok(DiskReply::TooLarge(metadata.len()));
    }
    Ok(DiskReply::Found { bytes, shared })
}

/// Opening a link without following it fails, and so does opening a socket.
fn refused_open(path: &Path, error: io::Error) -> io::Result<DiskReply> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            Ok(DiskReply::Unsafe("it is a symbolic link".to_owned()))
        }
        Ok(metadata) if !metadata.is_file() => {
            Ok(DiskReply::Unsafe("it is not a regular file".to_owned()))
        }
        _ => Err(error),
    }
}

/// Who else can change the file: nobody, somebody (mended by a copy), anybody (refused).
#[cfg(unix)]
fn ownership(metadata: &fs::Metadata) -> Result<Option<&'static str>, String> {
    use std::os::unix::fs::MetadataExt as _;
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        let owner = metadata.uid();
        return Err(format!("unexpected owner {owner}, expected {me}"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o002 != 0 {
        return Err(format!("anybody can write it (mode {mode:03o})"));
    }
    if mode & 0o020 != 0 {
        return Ok(Some("its group could write it"));
    }
    Ok((metadata.nlink() > 1).then_some("it had another name (a hard link)"))
}

#[cfg(not(unix))]
fn ownership(_: &fs::Metadata) -> Result<Option<&'static str>, String> {
    Ok(None)
}

fn append(path: &Path, at: u64, bytes: &[u8]) -> io::Result<DiskReply> {
    let mut options = OpenOptions::new();
    options.write(true);
    private(&mut options);
    let mut file = options.open(path)?;
    file.set_len(at)?;
    file.seek(io::SeekFrom::End(0))?;
    file.write_all(bytes)?;
    file.sync_data()?;
    Ok(DiskReply::Done)
}

fn stamp(path: &Path) -> io::Result<DiskReply> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(DiskReply::Missing),
        Err(error) => return Err(error),
    };
    let mut hasher = std::hash::DefaultHasher::new();
    metadata.len().hash(&mut hasher);
    metadata.modified()?.hash(&mut hasher);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        (
            metadata.dev(),
            metadata.ino(),
            metadata.mode(),
            metadata.uid(),
        )
            .hash(&mut hasher);
        (metadata.ctime(), metadata.ctime_nsec()).hash(&mut hasher);
    }
    Ok(DiskReply::Stamped(hasher.finish().max(1)))
}

fn remove(path: &Path) -> io::Result<DiskReply> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(DiskReply::Done),
    }
}

fn rename(from: &Path, to: &Path, replace: bool) -> io::Result<DiskReply> {
    if !replace && fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)?;
    Ok(DiskReply::Done)
}

fn sync_dir(path: &Path) -> io::Result<DiskReply> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    // Only Unix lets a folder be opened and synced; elsewhere a rename is as durable as it gets.
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(DiskReply::Done)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<DiskReply> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let mut file: File = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(DiskReply::Done)
}
