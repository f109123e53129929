//! Writes a new plugin: a manifest, one tool and, in Rust, its tests.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use keyway_plugin_api::{NameError, PluginId};

use super::kit::{Kit, Words};
use super::source::ApiSource;

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

/// Writes a plugin called `name` into `dir`, which must be empty or absent, and returns the files
/// written, relative to it.
///
/// # Errors
/// [`NewError::Name`], [`NewError::NotACheckout`] and [`NewError::Occupied`] before anything is
/// written; [`NewError::Io`].
pub(crate) fn scaffold(
    name: &str,
    dir: &Path,
    kit: Kit,
    source: &ApiSource,
) -> Result<Vec<PathBuf>, NewError> {
    let name = PluginId::parse(name)?;
    let words = Words::new(&name, kit, source)?;
    claim(dir)?;
    let mut written = Vec::new();
    for (file, template) in kit.templates() {
        write_new(&dir.join(file), &words.fill(template))?;
        written.push(PathBuf::from(file));
    }
    Ok(written)
}

fn claim(dir: &Path) -> Result<(), NewError> {
    let failed = |source| NewError::Io {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(failed)?;
    match fs::read_dir(dir).map_err(failed)?.next() {
        Some(_) => Err(NewError::Occupied {
            path: dir.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Never replaces a file.
fn write_new(path: &Path, text: &str) -> Result<(), NewError> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        File::create_new(path)?.write_all(text.as_bytes())
    };
    write().map_err(|source| NewError::Io {
        path: path.to_owned(),
        source,
    })
}
