//! Why a store failed.

use std::io;
use std::path::PathBuf;

use crate::catalog::{CatalogError, SCHEMA_VERSION};

/// Says why a catalog could not be loaded or saved. What was stored before still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Another host changed the catalog.
    #[error("the stored catalog changed: unexpected revision {found}, expected {expected}")]
    Conflict {
        /// The revision the change was made on.
        expected: u64,
        /// The revision that is stored.
        found: u64,
    },
    /// The catalog was written by a newer keyway.
    #[error("{} has schema version {found}, this keyway reads up to {SCHEMA_VERSION}", path.display())]
    SchemaNewer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The catalog is not a file that can be trusted.
    #[error("{} is refused: {reason}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The catalog cannot be read as one, and could not be put aside.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The catalog has become too large.
    #[error("the catalog is refused: unexpected {bytes} bytes, expected at most {limit}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The size that is accepted.
        limit: u64,
    },
    /// The catalog cannot be written as text.
    #[error("cannot write the catalog as JSON: {source}")]
    Encode {
        /// The serialiser's error.
        #[source]
        source: serde_json::Error,
    },
    /// An earlier write failed half-way, so what is durable is unknown until it is read again.
    #[error("{} has to be read again after a failed write", path.display())]
    Unsettled {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Encode { .. } | Self::Unsettled { .. } => "STORE_FAILED",
            Self::Conflict { .. } => "CONFLICT",
            Self::SchemaNewer { .. } => "SCHEMA_NEWER",
            Self::Unsafe { .. } => "CATALOG_UNSAFE",
            Self::Damaged { .. } => "CATALOG_DAMAGED",
            Self::TooLarge { .. } => "LIMIT_EXCEEDED",
        }
    }

    /// Returns what to do next, one sentence each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Io { .. } => "check that the state folder can be written and has space left",
            Self::Conflict { .. } | Self::Unsettled { .. } => "run the command again",
            Self::SchemaNewer { .. } => "upgrade keyway",
            Self::Unsafe { .. } => "make it a regular file of your own that others cannot write",
            Self::Damaged { .. } => "put a backup in its place, or move it away to start empty",
            Self::TooLarge { .. } => "uninstall plugins, or raise Limits::catalog_bytes",
            Self::Encode { .. } => "report this, with the plugin that was changed",
        };
        vec![hint.to_owned()]
    }
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}

/// A conflict in the store is a conflict of the catalog, whoever noticed it.
impl From<StoreError> for CatalogError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { expected, found } => Self::Conflict { expected, found },
            error => Self::Store(error),
        }
    }
}
