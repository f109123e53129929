//! Writes a new plugin: a manifest, one tool and, in Rust, its tests.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use keyway_plugin_api::PluginId;

use super::error::NewError;
use super::kit::{Kit, Words};
use super::source::ApiSource;

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
