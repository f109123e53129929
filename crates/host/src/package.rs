//! Reads a plugin's package from a folder: its manifest, and the digest of what would run.
//!
//! Every file is read once through one handle, so that what is hashed is what is parsed. A file
//! that is a symbolic link, a device, a pipe or too large is refused before it is read (T17).

mod brings;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use keyway_plugin_api::{Manifest, ManifestError, Notice, RuntimeKind};

use crate::catalog::Candidate;
use crate::digest::Digest;
use crate::limits::Limits;

/// Name of the manifest in a package.
pub const MANIFEST_FILE: &str = "plugin.json";
/// Name of the file that lists a package's MCP servers.
const MCP_FILE: &str = "mcp.json";
/// Name of the folder with a package's skills.
const SKILLS_FOLDER: &str = "skills";
/// Largest file that is digested, in bytes.
const FILE_MAX: usize = 64 * 1024 * 1024;
/// Most files that are digested.
const FILES_MAX: usize = 4096;

/// A package is a plugin on disk, read and checked; nothing of it was run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Package {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// The checked manifest.
    pub manifest: Manifest,
    /// What is odd about the manifest and does not stop it.
    pub notices: Vec<Notice>,
    /// Digest of the manifest and of everything that would run or be read by a model.
    pub digest: Digest,
    /// Whether it brings MCP servers, which are code to run.
    pub has_mcp: bool,
    /// Its MCP servers and skills, one word each, as contributions name them.
    pub brings: Vec<String>,
    /// The digest of each file that counts, by its path in the folder: what [`Package::digest`] is
    /// made of.
    pub files: BTreeMap<String, Digest>,
}

/// Says why a package could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The manifest breaks rules.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// Every problem.
        source: ManifestError,
    },
    /// The package has more files than are digested.
    #[error("{} has more than {FILES_MAX} files", folder.display())]
    TooManyFiles {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read, or must not be.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PackageError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Manifest { .. } => "MANIFEST_INVALID",
            Self::TooManyFiles { .. } => "PACKAGE_TOO_LARGE",
            Self::Unreadable { .. } => "PACKAGE_UNREADABLE",
        }
    }

    /// Returns what to do next, one sentence each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Manifest { path, .. } => {
                let folder = path.parent().unwrap_or(path);
                vec![format!("run: keyway check {}", folder.display())]
            }
            Self::TooManyFiles { .. } => vec!["ship only what the plugin needs".to_owned()],
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                vec![format!("a package is a folder with a {MANIFEST_FILE}")]
            }
            Self::Unreadable { .. } => {
                vec!["a package holds regular files that you may read".to_owned()]
            }
        }
    }
}

impl Package {
    /// Reads the package in a folder.
    ///
    /// # Errors
    /// [`PackageError`]; for a manifest with every problem at once.
    pub fn read(folder: &Path, limits: &Limits) -> Result<Self, PackageError> {
        Outline::of(folder, limits)?.read()
    }

    /// Returns the package as a candidate for the catalog.
    #[must_use]
    pub fn candidate(&self) -> Candidate {
        let path = self.folder.to_string_lossy();
        let candidate = Candidate::new(&self.manifest, self.digest)
            .with_source_path(path)
            .with_contributions(self.brings.iter().cloned());
        if self.has_mcp {
            candidate.with_code()
        } else {
            candidate
        }
    }
}

/// A package whose manifest was read, and whose other files were not.
pub(crate) struct Outline {
    folder: PathBuf,
    pub(crate) manifest: Manifest,
    notices: Vec<Notice>,
    /// Digest of the manifest.
    digest: Digest,
    /// The other files that count.
    files: Vec<PathBuf>,
}

impl Outline {
    pub(crate) fn of(folder: &Path, limits: &Limits) -> Result<Self, PackageError> {
        let folder = fs::canonicalize(folder).map_err(|e| unreadable(folder, e))?;
        let path = folder.join(MANIFEST_FILE);
        let bytes = read_regular(&path, limits.manifest_bytes).map_err(|e| unreadable(&path, e))?;
        let (manifest, notices) =
            Manifest::parse(&bytes).map_err(|source| PackageError::Manifest { path, source })?;
        let files = files_that_count(&folder, &manifest)?;
        Ok(Self {
            folder,
            manifest,
            notices,
            digest: Digest::of(&bytes),
            files,
        })
    }

    /// Reads the other files.
    pub(crate) fn read(self) -> Result<Package, PackageError> {
        let Outline {
            folder,
            manifest,
            notices,
            digest,
            files,
        } = self;
        let has_mcp = fs::symlink_metadata(folder.join(MCP_FILE)).is_ok();
        let mut digests = BTreeMap::from([(MANIFEST_FILE.to_owned(), digest)]);
        let mut brings = brings::skills(&folder.join(SKILLS_FOLDER));
        for path in files {
            let bytes = read_regular(&path, FILE_MAX).map_err(|e| unreadable(&path, e))?;
            let name = path.strip_prefix(&folder).unwrap_or(&path);
            if name == Path::new(MCP_FILE) {
                brings.extend(brings::servers(&bytes));
            }
            let name = plain(name).map_err(|e| unreadable(&path, e))?;
            digests.insert(name, Digest::of(&bytes));
        }
        let digest = digest_of(&digests);
        Ok(Package {
            folder,
            manifest,
            notices,
            digest,
            has_mcp,
            brings,
            files: digests,
        })
    }

    /// Finds the first file that [`Self::read`] would refuse without reading it.
    pub(crate) fn check(&self) -> Result<(), PackageError> {
        for path in &self.files {
            let name = path.strip_prefix(&self.folder).unwrap_or(path);
            let checked = check_regular(path, FILE_MAX).and_then(|_| plain(name));
            checked.map_err(|e| unreadable(path, e))?;
        }
        Ok(())
    }
}

/// Returns a path as text. One line of the digest is one file: a name with a line feed, or one that
/// is no text, could stand for others.
fn plain(name: &Path) -> io::Result<String> {
    let text = name
        .to_str()
        .filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidFilename, "its name is not plain text"))
}

/// Digests `path digest` lines in order of the paths.
fn digest_of(files: &BTreeMap<String, Digest>) -> Digest {
    let text: String = files
        .iter()
        .map(|(path, digest)| format!("{digest}  {path}\n"))
        .collect();
    Digest::of(text.as_bytes())
}

/// Lists what runs and what a model reads: the program, the MCP servers, the skills. Of a plugin
/// that runs as a process that is every file: a script reads and runs others beside it.
fn files_that_count(folder: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>, PackageError> {
    let mut files = Vec::new();
    if manifest
        .runtime()
        .is_some_and(|runtime| runtime.kind == RuntimeKind::Process)
    {
        walk(folder, &mut files)?;
        let own = folder.join(MANIFEST_FILE);
        files.retain(|path| *path != own);
        return Ok(files);
    }
    let exists = |path: &Path| fs::symlink_metadata(path).is_ok();
    let mcp = folder.join(MCP_FILE);
    if exists(&mcp) {
        files.push(mcp);
    }
    if let Some(command) = manifest
        .runtime()
        .and_then(|runtime| runtime.command.as_deref())
    {
        let program = folder.join(command.trim_start_matches("./"));
        if command.starts_with("./") && exists(&program) {
            files.push(program);
        }
    }
    let skills = folder.join(SKILLS_FOLDER);
    match fs::symlink_metadata(&skills) {
        Ok(found) if found.is_symlink() => {
            let link = io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link");
            return Err(unreadable(&skills, link));
        }
        Ok(found) if found.is_dir() => walk(&skills, &mut files)?,
        _ => {}
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), PackageError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))? {
            let entry = entry.map_err(|e| unreadable(&folder, e))?;
            let kind = entry
                .file_type()
                .map_err(|e| unreadable(&entry.path(), e))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
            if files.len() + folders.len() > FILES_MAX {
                return Err(PackageError::TooManyFiles { folder });
            }
        }
    }
    Ok(())
}

fn unreadable(path: &Path, source: io::Error) -> PackageError {
    PackageError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

/// Reads a regular file of at most `limit` bytes.
///
/// The kind is checked before opening, so that a device is not touched; the open file must then be
/// the one that was checked, so that swapping it in between gains nothing.
fn read_regular(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let checked = check_regular(path, limit)?;
    let file = open(path)?;
    if !is_same_file(&checked, &file.metadata()?) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it changed while it was opened",
        ));
    }
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    // With room for all of it, and for the look that finds the end.
    let mut bytes = Vec::with_capacity(usize::try_from(checked.len()).map_or(0, |len| len + 1));
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() > limit {
        true => Err(too_large(limit)),
        false => Ok(bytes),
    }
}

/// Refuses what is no regular file or says that it is larger than `limit` bytes.
fn check_regular(path: &Path, limit: usize) -> io::Result<fs::Metadata> {
    let checked = fs::symlink_metadata(path)?;
    refuse_special(&checked)?;
    match usize::try_from(checked.len()).is_ok_and(|bytes| bytes <= limit) {
        true => Ok(checked),
        false => Err(too_large(limit)),
    }
}

fn too_large(limit: usize) -> io::Error {
    let text = format!("it is larger than {limit} bytes");
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

/// Opens a file for reading; a pipe that was put in its place meanwhile does not block.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits());
    let flags = flags.map_err(io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

fn refuse_special(metadata: &fs::Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_symlink() => "it is a symbolic link",
        () if kind.is_dir() => "it is a folder",
        () => "it is not a regular file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

#[cfg(unix)]
fn is_same_file(checked: &fs::Metadata, open: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (checked.dev(), checked.ino()) == (open.dev(), open.ino())
}

#[cfg(not(unix))]
fn is_same_file(checked: &fs::Metadata, open: &fs::Metadata) -> bool {
    open.is_file() && checked.len() == open.len()
}
