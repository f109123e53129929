//! Finding a package by name or path. Nothing of it is read here.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keyway_host::package::MANIFEST_FILE;

use crate::failure::Failure;

/// Where names are looked up, in order.
#[derive(Debug)]
pub(crate) struct SearchPath {
    folders: Vec<PathBuf>,
}

impl SearchPath {
    /// Builds the search path: the state folder's packages, `KEYWAY_PLUGIN_PATH`, `./plugins`.
    pub(crate) fn new(state_dir: &Path, extra: Option<&OsStr>) -> Self {
        let extra = extra.map(|paths| std::env::split_paths(paths).collect::<Vec<_>>());
        let extra = extra.unwrap_or_default().into_iter();
        let given = extra.filter(|path| !path.as_os_str().is_empty());
        let mut folders = vec![state_dir.join("packages")];
        folders.extend(given);
        folders.push(PathBuf::from("plugins"));
        Self { folders }
    }

    /// Finds the folder that a name or path stands for.
    ///
    /// A path contains a separator, starts with a dot or is a folder with a manifest. One that has
    /// its manifest in `package` stands for that.
    pub(crate) fn find(&self, source: &str) -> Result<PathBuf, Failure> {
        let as_path = Path::new(source);
        if looks_like_a_path(source) || holds_manifest(as_path) {
            return existing_folder(&package_in(as_path));
        }
        let candidates: Vec<_> = self.folders.iter().map(|dir| dir.join(source)).collect();
        match candidates.iter().find(|path| holds_manifest(path)) {
            Some(found) => existing_folder(found),
            None => Err(not_found(source, &candidates)),
        }
    }
}

/// Returns the package that a folder is or holds: `keyway new` puts what is handed on of a plugin
/// into the folder `package`, beside sources that are nobody else's concern.
pub(crate) fn package_in(folder: &Path) -> PathBuf {
    let inside = folder.join("package");
    match !holds_manifest(folder) && holds_manifest(&inside) {
        true => inside,
        false => folder.to_owned(),
    }
}

fn looks_like_a_path(source: &str) -> bool {
    source.contains(std::path::is_separator) || source.starts_with('.')
}

fn holds_manifest(folder: &Path) -> bool {
    fs::symlink_metadata(folder.join(MANIFEST_FILE)).is_ok()
}

fn existing_folder(path: &Path) -> Result<PathBuf, Failure> {
    let folder = fs::canonicalize(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Failure::new(
            "PACKAGE_NOT_FOUND",
            format_args!("there is no folder {}", path.display()),
        )
        .hint("check the path, or give a plugin's name instead"),
        _ => unreadable(path, &e),
    })?;
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Failure::new(
        "PACKAGE_NOT_FOUND",
        format_args!("{} is not a folder", path.display()),
    )
    .hint(format!("give the folder that holds {MANIFEST_FILE}")))
}

fn not_found(source: &str, candidates: &[PathBuf]) -> Failure {
    let failure = Failure::new(
        "PACKAGE_NOT_FOUND",
        format_args!("there is no package {source}"),
    );
    let looked = candidates.iter().map(|path| path.join(MANIFEST_FILE));
    looked
        .fold(failure, |failure, path| {
            failure.detail(format!("looked for {}", path.display()))
        })
        .hint(format!(
            "to install from a folder, write a path: ./{source}"
        ))
        .hint("to look in more folders, set KEYWAY_PLUGIN_PATH=FOLDER[:FOLDER...]")
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot read {}: {error}", path.display());
    let failure = Failure::new("PACKAGE_UNREADABLE", message);
    match error.kind() {
        io::ErrorKind::NotFound => {
            failure.hint(format!("a package is a folder with a {MANIFEST_FILE}"))
        }
        _ => failure,
    }
}
