//! The few things a trail needs of a file, so that tests can make each of them fail.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::file_lock::lock_within;

/// A file that one process at a time appends to.
pub(super) trait Disk: Send + 'static {
    /// Keeps every other writer out until [`unlock`](Self::unlock); gives up after a while.
    fn lock(&mut self) -> io::Result<()>;
    /// Lets other writers in.
    fn unlock(&mut self);
    /// Returns the length, or an error when the file is no longer the one at its path.
    fn len(&mut self) -> io::Result<u64>;
    /// Reads exactly these bytes.
    fn read(&mut self, from: u64, bytes: &mut [u8]) -> io::Result<()>;
    /// Writes at the end; on failure some of the bytes may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the end off.
    fn truncate(&mut self, to: u64) -> io::Result<()>;
    /// Returns when the bytes would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
    /// Writes bytes durably to a new file beside the trail and returns its name.
    fn set_aside(&mut self, bytes: &[u8]) -> io::Result<String>;
}

/// How long to wait for a writer in another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// A real file.
pub(super) struct TrailDisk {
    path: PathBuf,
    file: File,
}

impl TrailDisk {
    /// Opens the file, or makes it so that it is found again after a power cut.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        make_folder_of(path)?;
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let path = std::path::absolute(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        sync_folder_of(&path)?;
        Ok(Self { path, file })
    }

    fn is_at_its_path(&self) -> io::Result<bool> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let (ours, there) = (self.file.metadata()?, std::fs::metadata(&self.path));
            Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())))
        }
        #[cfg(not(unix))]
        Ok(self.path.exists())
    }
}

/// Makes the folder that holds the trail, for its owner only.
fn make_folder_of(path: &Path) -> io::Result<()> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Disk for TrailDisk {
    fn lock(&mut self) -> io::Result<()> {
        lock_within(&self.file, PATIENCE).map_err(|refused| match refused {
            TryLockError::WouldBlock => io::Error::other("another process holds its lock"),
            TryLockError::Error(error) => error,
        })
    }

    fn unlock(&mut self) {
        // A lock that cannot be given back goes with the file; the next `lock` tells.
        drop(self.file.unlock());
    }

    fn len(&mut self) -> io::Result<u64> {
        if !self.is_at_its_path()? {
            return Err(io::Error::other("the file was moved or removed"));
        }
        Ok(self.file.metadata()?.len())
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(from))?;
        self.file.read_exact(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(bytes)
    }

    fn truncate(&mut self, to: u64) -> io::Result<()> {
        self.file.set_len(to)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_aside(&mut self, bytes: &[u8]) -> io::Result<String> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        for number in 1_u32.. {
            let kept = format!("{name}.torn-{number}");
            let path = self.path.with_file_name(&kept);
            match File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(bytes)?;
                    file.sync_all()?;
                    sync_folder_of(&path)?;
                    return Ok(kept);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no name is left for the torn bytes"))
    }
}

/// Makes the names in a file's folder durable, where the system can.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
