//! The program to run: sealed bytes, or a path.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Beyond this a program is not sealed: 512 MiB.
#[cfg(target_os = "linux")]
const SEALED_MAX: u64 = 512 << 20;

/// A program to run, with its arguments.
///
/// A *sealed* program is a private copy in memory that nobody can change any more; its digest is
/// that of the bytes which run. A program *at* a path is what is there at the moment of the start:
/// good for an interpreter of the system, together with a script that the host owns.
///
/// ```
/// use keyway_sandbox::Program;
///
/// let python = Program::at("/usr/bin/python3").args(["-I", "/srv/plugins/hello/main.py"]);
/// # assert!(python.digest().is_none());
/// # #[cfg(target_os = "linux")] {
/// let copied = Program::sealed("/bin/true")?;
/// assert_eq!(copied.digest().map(|digest| digest.len()), Some(32));
/// # }
/// # Ok::<(), keyway_sandbox::ProgramError>(())
/// ```
#[derive(Clone)]
pub struct Program {
    pub(crate) image: Image,
    pub(crate) name: OsString,
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Clone)]
pub(crate) enum Image {
    At(PathBuf),
    #[cfg(target_os = "linux")]
    Sealed {
        file: std::sync::Arc<std::os::fd::OwnedFd>,
        digest: [u8; 32],
    },
}

/// Says why a program could not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The bytes are not a native program.
    #[error("{} is not a native program (ELF); run a script through its interpreter, with Program::at", path.display())]
    #[non_exhaustive]
    NotNative {
        /// Where the bytes came from.
        path: PathBuf,
    },
    /// The bytes could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    #[non_exhaustive]
    Read {
        /// Where the bytes came from.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system has no sealed memory, or refused it.
    #[error("a sealed copy in memory cannot be made here: {source}; run the program at its path")]
    #[non_exhaustive]
    Seal {
        /// What the operating system said.
        source: io::Error,
    },
    /// There are more bytes than are sealed.
    #[error("{} has more than {limit} bytes", path.display())]
    #[non_exhaustive]
    TooLarge {
        /// Where the bytes came from.
        path: PathBuf,
        /// The most that is sealed.
        limit: u64,
    },
}

impl ProgramError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotNative { .. } => "PROGRAM_NOT_NATIVE",
            Self::Read { .. } => "PROGRAM_READ",
            Self::Seal { .. } => "PROGRAM_SEAL",
            Self::TooLarge { .. } => "PROGRAM_TOO_LARGE",
        }
    }
}

impl Program {
    /// Names a program by its absolute path. Without arguments it gets its own path as name.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            name: path.clone().into(),
            image: Image::At(path),
            arguments: Vec::new(),
        }
    }

    /// Copies a native program into sealed memory, hashing the very bytes that will run.
    ///
    /// # Errors
    /// [`ProgramError`]: not readable, not native, larger than 512 MiB, or no sealed memory here.
    pub fn sealed(path: impl AsRef<Path>) -> Result<Self, ProgramError> {
        let path = path.as_ref();
        let read = |source| ProgramError::Read {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(read)?;
        Self::sealed_from(file, path)
    }

    /// Copies a native program from a reader. The path is its name, for errors and for the program.
    ///
    /// # Errors
    /// As [`Program::sealed`].
    pub fn sealed_from(reader: impl Read, path: impl AsRef<Path>) -> Result<Self, ProgramError> {
        let path = path.as_ref();
        #[cfg(target_os = "linux")]
        return seal::copy(reader, path).map(|image| Self {
            image,
            name: path.into(),
            arguments: Vec::new(),
        });
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (reader, path);
            let source = io::ErrorKind::Unsupported.into();
            Err(ProgramError::Seal { source })
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Returns the SHA-256 digest of the bytes that will run, if they are sealed.
    #[must_use]
    pub fn digest(&self) -> Option<&[u8; 32]> {
        match &self.image {
            Image::At(_) => None,
            #[cfg(target_os = "linux")]
            Image::Sealed { digest, .. } => Some(digest),
        }
    }
}

#[cfg(target_os = "linux")]
mod seal {
    use std::fs::File;
    use std::io::{self, Read, Write as _};
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use rustix::fs::{MemfdFlags, SealFlags};
    use rustix::io::Errno;
    use sha2::{Digest as _, Sha256};

    use super::{Image, ProgramError, SEALED_MAX};

    /// How often sealing is tried while the system still holds a page of the copy.
    const TRIES: u32 = 100;

    #[expect(
        clippy::disallowed_methods,
        reason = "blocks for milliseconds, as copying and starting a program do"
    )]
    fn seal(file: &File) -> rustix::io::Result<()> {
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        for _ in 1..TRIES {
            match rustix::fs::fcntl_add_seals(file, seals) {
                // Somebody in the system holds a page for a moment; nobody can write to it.
                Err(Errno::BUSY) => std::thread::sleep(Duration::from_millis(5)),
                settled => return settled,
            }
        }
        rustix::fs::fcntl_add_seals(file, seals)
    }

    pub(super) fn copy(reader: impl Read, path: &Path) -> Result<Image, ProgramError> {
        let mut file = File::from(memory().map_err(|source| ProgramError::Seal { source })?);
        let digest = fill(reader, &mut file, path)?;
        seal(&file).map_err(|errno| ProgramError::Seal {
            source: errno.into(),
        })?;
        Ok(Image::Sealed {
            file: Arc::new(file.into()),
            digest,
        })
    }

    fn memory() -> io::Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        match rustix::fs::memfd_create("keyway", flags | MemfdFlags::EXEC) {
            // Before Linux 6.3 every such file could be executed and the flag was unknown.
            Err(Errno::INVAL) => Ok(rustix::fs::memfd_create("keyway", flags)?),
            made => Ok(made?),
        }
    }

    /// Copies and hashes the same buffer, so that what is hashed is what is there.
    fn fill(mut reader: impl Read, file: &mut File, path: &Path) -> Result<[u8; 32], ProgramError> {
        let path = || path.to_owned();
        let (mut hash, mut buffer, mut total) = (Sha256::new(), vec![0; 1 << 17], 0);
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(ProgramError::Read {
                        path: path(),
                        source,
                    });
                }
            };
            if total == 0 && !buffer[..count].starts_with(b"\x7fELF") {
                return Err(ProgramError::NotNative { path: path() });
            }
            if count == 0 {
                return Ok(hash.finalize().into());
            }
            total += count as u64;
            if total > SEALED_MAX {
                let limit = SEALED_MAX;
                return Err(ProgramError::TooLarge {
                    path: path(),
                    limit,
                });
            }
            hash.update(&buffer[..count]);
            file.write_all(&buffer[..count])
                .map_err(|source| ProgramError::Seal { source })?;
        }
    }
}

impl fmt::Debug for Program {
    /// Shows no arguments: they may hold what is not for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .field("sealed", &self.digest().is_some())
            .field("arguments", &self.arguments.len())
            .finish()
    }
}
