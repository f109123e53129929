//! Why no plugin was written.

use std::io;
use std::path::PathBuf;

use keyway_plugin_api::NameError;

/// Says why no plugin was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewError {
    /// A file or folder could not be made; what was written until then stays.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name is no plugin id.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Only Rust can be compiled into a host.
    #[error("only Rust can be linked")]
    NotLinkable,
    /// The folder named as keyway's checkout is not one.
    #[error("{} is not a checkout of keyway", path.display())]
    NotACheckout {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something already; nothing was written.
    #[error("{} is not empty", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
}

impl NewError {
    /// Returns the stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "NOT_WRITTEN",
            Self::Name(error) => error.code(),
            Self::NotACheckout { .. } => "NOT_A_CHECKOUT",
            Self::NotLinkable => "NOT_LINKABLE",
            Self::Occupied { .. } => "FOLDER_OCCUPIED",
        }
    }

    /// Returns what the author can do.
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Io { .. } => return Vec::new(),
            Self::Name(_) => "use a-z, 0-9 and single hyphens, as in weather-tools",
            Self::NotACheckout { .. } => "name the folder that holds crates/plugin-api",
            Self::NotLinkable => "leave --runtime out: Python and Node run as processes",
            Self::Occupied { .. } => "choose another folder with --dir",
        };
        vec![hint.to_owned()]
    }
}
