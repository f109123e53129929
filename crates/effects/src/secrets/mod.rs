//! Where granted secrets come from.
//!
//! A store answers by the secret's name as the manifest and the grant have it. No store lists
//! what it has, and no error or debug text holds a value. Names that steer loaders, shells and the
//! host itself are refused by every store here, whatever was granted (attack T12).

mod env;
mod file;
mod memory;

use std::io;
use std::path::PathBuf;

use keyway_plugin_api::{SecretValue, ToolError, ToolErrorKind, is_reserved_env};

pub use env::EnvSecrets;
pub use file::FileSecrets;
pub use memory::MemorySecrets;

/// A source of secret values.
///
/// Contract: called for every read, concurrently, on a thread that may block; a value is not
/// kept longer than the call. The gate has already decided that the plugin may have it.
///
/// ```
/// use keyway_effects::secrets::{SecretError, SecretStore};
/// use keyway_plugin_api::SecretValue;
///
/// struct Vault;
/// impl SecretStore for Vault {
///     fn read(&self, name: &str) -> Result<Option<SecretValue>, SecretError> {
///         Ok((name == "GITHUB_TOKEN").then(|| SecretValue::new("ghp_example")))
///     }
/// }
/// assert!(Vault.read("OTHER")?.is_none());
/// # Ok::<(), SecretError>(())
/// ```
pub trait SecretStore: Send + Sync + 'static {
    /// Returns a secret's value; `None` when there is none of that name.
    ///
    /// # Errors
    /// [`SecretError`] when the store cannot be read.
    fn read(&self, name: &str) -> Result<Option<SecretValue>, SecretError>;
}

/// Says why a secret could not be read. Never holds a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The store's file is not what it should be.
    #[error("the secrets in {} are malformed: {problem}", path.display())]
    #[non_exhaustive]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A value is not text.
    #[error("the secret {name} is not UTF-8 text")]
    #[non_exhaustive]
    NotText {
        /// The secret's name.
        name: String,
    },
    /// The name steers loaders, shells or the host.
    #[error("the name {name} steers programs and can never be a secret")]
    #[non_exhaustive]
    Reserved {
        /// The name, printable.
        name: String,
    },
    /// The operating system failed.
    #[error("{}: {source}", path.display())]
    #[non_exhaustive]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Others could read or change the store's file.
    #[error("the secrets in {} are not safe: {problem}", path.display())]
    #[non_exhaustive]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl SecretError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "SECRETS_MALFORMED",
            Self::NotText { .. } => "SECRET_NOT_TEXT",
            Self::Reserved { .. } => "RESERVED_NAME",
            Self::Unreadable { .. } => "SECRETS_UNREADABLE",
            Self::Unsafe { .. } => "SECRETS_UNSAFE",
        }
    }

    /// Returns what an operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "write one JSON object of names and texts",
            Self::NotText { .. } => "store the value as text, for example as base64",
            Self::Reserved { .. } => "give the secret another name",
            Self::Unreadable { .. } => "check the file and its owner",
            Self::Unsafe { .. } => "run: chmod 600 on the file",
        }
    }
}

impl From<SecretError> for ToolError {
    fn from(error: SecretError) -> Self {
        // Where the host keeps its secrets is no business of a plugin.
        let (kind, message) = match &error {
            SecretError::Reserved { .. } => (ToolErrorKind::Denied, error.to_string()),
            _ => (
                ToolErrorKind::Unavailable,
                "the secret is not available now".to_owned(),
            ),
        };
        Self::new(kind, message).with_case(error.code())
    }
}

/// Refuses names that no plugin may ever read.
fn check_name(name: &str) -> Result<(), SecretError> {
    match is_reserved_env(name) {
        true => Err(SecretError::Reserved {
            name: keyway_host::text::excerpt(name).into_owned(),
        }),
        false => Ok(()),
    }
}
