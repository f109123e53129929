//! Secrets out of a file of the host's own.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use keyway_host::limits::Limits;
use keyway_plugin_api::SecretValue;

use super::{SecretError, SecretStore, check_name};

/// Most bytes of the file.
const FILE_BYTES: usize = 1024 * 1024;

/// Reads secrets from a JSON object of names and texts, for example `.keyway/secrets.json`.
///
/// The file is read anew for each secret, so a rotated one is found at once. It is refused when it
/// is a link, when somebody else owns it, or when anybody but its owner could read or change it.
/// A missing file holds no secrets.
#[derive(Debug, Clone)]
pub struct FileSecrets {
    path: PathBuf,
}

impl FileSecrets {
    /// Names the file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Writes a file with these secrets, for its owner only. For setup and for tests.
    ///
    /// # Errors
    /// [`SecretError::Reserved`], or [`SecretError::Unreadable`] when it cannot be written.
    pub fn write(path: &Path, secrets: &BTreeMap<String, SecretValue>) -> Result<(), SecretError> {
        secrets.keys().try_for_each(|name| check_name(name))?;
        let exposed: BTreeMap<_, _> = secrets.iter().map(|(k, v)| (k, v.expose())).collect();
        let text = serde_json::to_string_pretty(&exposed).unwrap_or_default();
        crate::private::replace(path, text.as_bytes()).map_err(|source| SecretError::Unreadable {
            path: path.to_owned(),
            source,
        })
    }

    /// Opens the file if it is safe; `None` when there is none.
    fn open(&self) -> Result<Option<File>, SecretError> {
        let unreadable = |source| SecretError::Unreadable {
            path: self.path.clone(),
            source,
        };
        let named = match fs::symlink_metadata(&self.path) {
            Ok(named) => named,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        self.check(&named)?;
        let file = File::open(&self.path).map_err(unreadable)?;
        // Asked again of the handle: the name may stand for another file by now.
        let opened = file.metadata().map_err(unreadable)?;
        self.check(&opened)?;
        match is_same(&named, &opened) {
            true => Ok(Some(file)),
            false => Err(self.not_safe("it was exchanged while it was opened")),
        }
    }

    fn check(&self, metadata: &Metadata) -> Result<(), SecretError> {
        if !metadata.is_file() {
            return Err(self.not_safe("it is not a regular file"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            if metadata.mode() & 0o077 != 0 {
                return Err(self.not_safe("others than its owner can read or change it"));
            }
            if metadata.nlink() != 1 {
                return Err(self.not_safe("it has more than one name"));
            }
        }
        Ok(())
    }

    fn not_safe(&self, problem: &'static str) -> SecretError {
        SecretError::Unsafe {
            path: self.path.clone(),
            problem,
        }
    }

    fn malformed(&self, problem: &'static str) -> SecretError {
        SecretError::Malformed {
            path: self.path.clone(),
            problem,
        }
    }
}

impl SecretStore for FileSecrets {
    fn read(&self, name: &str) -> Result<Option<SecretValue>, SecretError> {
        check_name(name)?;
        let Some(file) = self.open()? else {
            return Ok(None);
        };
        let mut text = String::new();
        let read = file.take(FILE_BYTES as u64 + 1).read_to_string(&mut text);
        read.map_err(|source| SecretError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        let limits = Limits {
            arguments_bytes: FILE_BYTES,
            ..Limits::default()
        };
        // The parser's own words could quote the file, so they are not passed on.
        let parsed = keyway_host::schema::parse(&text, &limits);
        let parsed = parsed.map_err(|_| self.malformed("expected JSON with no name twice"))?;
        let Some(secrets) = parsed.as_object() else {
            return Err(self.malformed("expected an object"));
        };
        match secrets.get(name) {
            None => Ok(None),
            Some(serde_json::Value::String(value)) => Ok(Some(SecretValue::new(value.as_str()))),
            Some(_) => Err(self.malformed("expected texts")),
        }
    }
}

#[cfg(unix)]
fn is_same(named: &Metadata, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (named.dev(), named.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
