//! Why a file effect was refused or failed.

use std::io;

use keyway_plugin_api::{ToolError, ToolErrorKind};

/// Says why a file effect was refused or failed. Paths are as the plugin wrote them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The path is malformed; the plugin can fix it.
    #[error("the path `{path}` is refused: {rule}")]
    #[non_exhaustive]
    BadPath {
        /// The path, printable.
        path: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The file has a second name, which may lie outside of the grant.
    #[error("`{path}` has more than one name (hard links) and is not read")]
    #[non_exhaustive]
    HardLink {
        /// The path, printable.
        path: String,
    },
    /// The operating system failed.
    #[error("`{path}`: {source}")]
    #[non_exhaustive]
    Io {
        /// The path, printable.
        path: String,
        /// What it said.
        source: io::Error,
    },
    /// A component of the path is a symbolic link.
    #[error("`{path}` leads through a symbolic link, and links are not followed")]
    #[non_exhaustive]
    Link {
        /// The path, printable.
        path: String,
    },
    /// Something on the way is not a directory.
    #[error("`{path}` leads through something that is not a directory")]
    #[non_exhaustive]
    NotDirectory {
        /// The path, printable.
        path: String,
    },
    /// Nothing stands there.
    #[error("`{path}` does not exist")]
    #[non_exhaustive]
    NotFound {
        /// The path, printable.
        path: String,
    },
    /// What stands there is not a regular file.
    #[error("`{path}` is not a regular file")]
    #[non_exhaustive]
    NotRegular {
        /// The path, printable.
        path: String,
    },
    /// No granted path covers this one.
    #[error("`{path}` is outside the granted paths")]
    #[non_exhaustive]
    OutsideGrant {
        /// The path, printable.
        path: String,
    },
    /// The path leads into a folder of the host.
    #[error("`{path}` belongs to the host")]
    #[non_exhaustive]
    Protected {
        /// The path, printable.
        path: String,
    },
    /// The path steers agents, shells or version control, and the grant does not name it.
    #[error("`{path}` steers agents or shells; writing it takes a grant of exactly this path")]
    #[non_exhaustive]
    Steering {
        /// The path, printable.
        path: String,
    },
    /// The content is too large.
    #[error("`{path}` is larger than {limit} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The path, printable.
        path: String,
        /// The most bytes.
        limit: u64,
    },
    /// The directory holds too many names.
    #[error("`{path}` holds more than {limit} names")]
    #[non_exhaustive]
    TooMany {
        /// The path, printable.
        path: String,
        /// The most names.
        limit: usize,
    },
}

impl FilesError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadPath { .. } => "BAD_PATH",
            Self::HardLink { .. } => "FILE_HARD_LINKED",
            Self::Io { .. } => "FILE_IO",
            Self::Link { .. } => "PATH_HAS_LINK",
            Self::NotDirectory { .. } => "NOT_A_DIRECTORY",
            Self::NotFound { .. } => "FILE_NOT_FOUND",
            Self::NotRegular { .. } => "NOT_A_REGULAR_FILE",
            Self::OutsideGrant { .. } => "OUTSIDE_CONSTRAINT",
            Self::Protected { .. } => "PATH_PROTECTED",
            Self::Steering { .. } => "PATH_STEERING",
            Self::TooLarge { .. } => "FILE_TOO_LARGE",
            Self::TooMany { .. } => "DIRECTORY_TOO_LARGE",
        }
    }
}

impl From<FilesError> for ToolError {
    fn from(error: FilesError) -> Self {
        let kind = match &error {
            FilesError::BadPath { .. } | FilesError::TooLarge { .. } => {
                ToolErrorKind::InvalidArguments
            }
            FilesError::NotFound { .. } => ToolErrorKind::NotFound,
            FilesError::NotDirectory { .. } | FilesError::NotRegular { .. } => {
                ToolErrorKind::Conflict
            }
            FilesError::Io { .. } | FilesError::TooMany { .. } => ToolErrorKind::Unavailable,
            FilesError::HardLink { .. }
            | FilesError::Link { .. }
            | FilesError::OutsideGrant { .. }
            | FilesError::Protected { .. }
            | FilesError::Steering { .. } => ToolErrorKind::Denied,
        };
        Self::new(kind, error.to_string()).with_case(error.code())
    }
}
