//! Goes through a repository by asking the host, one permitted request at a time.

use keyway_plugin_api::{FsRead, ToolError, ToolErrorKind};

/// Most files one walk visits; beyond it the answer says that there is more.
const FILES_MAX: usize = 4_000;
/// Deepest folder.
const DEPTH_MAX: usize = 16;
/// Folders with nothing that a person wrote.
const SKIPPED: [&str; 4] = ["target", "node_modules", "vendor", "dist"];
/// What counts as a source or a document; data and lock files do not.
const KINDS: [&str; 11] = [
    "rs", "md", "toml", "wit", "yml", "yaml", "py", "ts", "js", "sh", "txt",
];

/// The files under a folder, sorted.
pub(super) struct Found {
    pub(super) files: Vec<String>,
    /// Whether the walk stopped before the end.
    pub(super) more: bool,
}

/// Lists the sources and documents under a folder.
pub(super) async fn files_under(fs: &FsRead, folder: &str) -> Result<Found, ToolError> {
    let mut found = Found {
        files: Vec::new(),
        more: false,
    };
    let start = folder.trim_end_matches('/');
    let mut waiting = vec![(if start.is_empty() { "." } else { start }.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        for name in fs.list(folder.as_str()).await? {
            let path = joined(&folder, &name);
            if is_kind(&name) {
                found.files.push(path);
            } else if may_be_folder(&name) && is_folder(fs, &path).await? {
                waiting.push((path, depth + 1));
            }
        }
        waiting.retain(|(_, depth)| *depth <= DEPTH_MAX);
        if found.files.len() > FILES_MAX {
            found.files.truncate(FILES_MAX);
            found.more = true;
            break;
        }
    }
    found.files.sort();
    Ok(found)
}

/// Reads a file as text; `None` for what is no text, too large, a link, or gone by now.
pub(super) async fn text_of(fs: &FsRead, path: &str) -> Result<Option<String>, ToolError> {
    match fs.read_text(path).await {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if matches!(
                error.kind,
                ToolErrorKind::Conflict | ToolErrorKind::NotFound
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn joined(folder: &str, name: &str) -> String {
    match folder {
        "." => name.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

fn is_kind(name: &str) -> bool {
    let kind = name.rsplit_once('.').map(|(_, kind)| kind);
    kind.is_some_and(|kind| KINDS.contains(&kind)) && !name.starts_with('.')
}

fn may_be_folder(name: &str) -> bool {
    !name.starts_with('.') && !SKIPPED.contains(&name)
}

async fn is_folder(fs: &FsRead, path: &str) -> Result<bool, ToolError> {
    match fs.stat(path).await {
        Ok(stat) => Ok(stat.is_directory),
        Err(error) if is_about_one_file(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells whether an error is a reason to pass one file by. The gate's no is not: it would be the
/// same for every other file, and the operator can do something about it.
fn is_about_one_file(error: &ToolError) -> bool {
    use ToolErrorKind::{Conflict, Denied, InvalidArguments, NotFound};
    let odd = matches!(error.kind, Conflict | Denied | InvalidArguments | NotFound);
    odd && error.denial.is_none()
}
