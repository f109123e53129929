//! Packages on disk that last as long as their test.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use keyway_host::catalog::Candidate;
use keyway_host::limits::Limits;
use keyway_host::package::Package;
use tempfile::TempDir;

/// A folder of packages, removed when it is dropped.
///
/// ```
/// use keyway_test_support::TempPackages;
/// let packages = TempPackages::new();
/// packages.write("quiet", r#"{
///     "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
///     "name": "quiet", "version": "0.1.0" }"#);
/// assert_eq!(packages.candidate("quiet").plugin().as_str(), "quiet");
/// ```
#[derive(Debug)]
pub struct TempPackages(TempDir);

impl TempPackages {
    /// Makes an empty folder.
    ///
    /// # Panics
    /// When the system gives no folder.
    #[must_use]
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it makes a folder on disk")]
    pub fn new() -> Self {
        match TempDir::new() {
            Ok(folder) => Self(folder),
            Err(error) => panic!("no folder for packages: {error}"),
        }
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the folder of one package.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a package's manifest, or replaces it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[track_caller]
    pub fn write(&self, name: &str, manifest: &str) {
        self.write_file(name, "plugin.json", manifest.as_bytes());
    }

    /// Writes another file of a package, or replaces it.
    ///
    /// # Panics
    /// When it cannot be written.
    #[track_caller]
    pub fn write_file(&self, name: &str, file: &str, bytes: &[u8]) {
        let path = self.folder(name).join(file);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            File::create(&path)?.write_all(bytes)
        };
        if let Err(error) = write() {
            panic!("cannot write {}: {error}", path.display());
        }
    }

    /// Reads a package as somebody would who wants to install it.
    ///
    /// # Panics
    /// When the package is broken.
    #[must_use]
    #[track_caller]
    pub fn candidate(&self, name: &str) -> Candidate {
        match Package::read(&self.folder(name), &Limits::default()) {
            Ok(package) => package.candidate(),
            Err(error) => panic!("{error}"),
        }
    }
}
