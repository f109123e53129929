//! Tells when a file of a package changes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::failure::Failure;

/// Folders that tools write into and that no package consists of.
const IGNORED: [&str; 4] = [".git", "target", "node_modules", "__pycache__"];

/// A watch over a folder; ends when it is dropped.
pub(crate) struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches a folder and everything below it; says each time that something changed.
    pub(crate) fn over(
        folder: &Path,
        changed: impl Fn() + Send + 'static,
    ) -> Result<Self, Failure> {
        let root = folder.to_owned();
        let tell = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| counts(&root, &event)) {
                changed();
            }
        };
        let failed = |error: notify::Error| {
            let folder = folder.display();
            Failure::new(
                "WATCH_FAILED",
                format_args!("cannot watch {folder}: {error}"),
            )
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(failed)?;
        watcher
            .watch(folder, RecursiveMode::Recursive)
            .map_err(failed)?;
        Ok(Self { _watcher: watcher })
    }
}

/// Tells whether an event is about a file that may be part of the package.
fn counts(root: &Path, event: &notify::Event) -> bool {
    let is_ignored = |path: &PathBuf| {
        let below = path.strip_prefix(root).unwrap_or(path);
        let ignored = |part: &OsStr| IGNORED.iter().any(|name| part == *name);
        below.iter().any(ignored)
    };
    !event.kind.is_access() && !event.paths.iter().all(is_ignored)
}
