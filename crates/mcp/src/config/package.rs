//! The servers that a package brings, with their place and their bytes written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keyway_host::digest::Digest;

use super::{ConfigError, McpServer, Place, ServerFile, StdioServer, read_servers};

/// The files that list a package's servers, the standard's first.
const FILES: [&str; 2] = ["mcp.json", ".mcp.json"];
/// Longest such file, in bytes.
const FILE_MAX: u64 = 256 * 1024;
/// Placeholders for the package's folder.
const ROOTS: [&str; 2] = ["${PLUGIN_ROOT}", "${CLAUDE_PLUGIN_ROOT}"];

/// Reads the servers of a package: its `mcp.json`, or its `.mcp.json`.
///
/// `${PLUGIN_ROOT}` and `./` become the package's folder, which is what the program runs in and may
/// read. Every word of a command line that names a file of the package is written down with the
/// digest of its bytes: a file that changed after the approval is not started. What those files load
/// in turn is not looked at.
///
/// # Errors
/// [`ConfigError::Shape`] where there is no such file, or it is no map of servers. A server that is
/// refused is in [`ServerFile::refused`].
pub fn read_package(folder: &Path) -> Result<ServerFile, ConfigError> {
    let unreadable = |why: String| ConfigError::shape(folder.display().to_string(), why);
    let root = std::fs::canonicalize(folder).map_err(|e| unreadable(e.to_string()))?;
    let found = FILES
        .iter()
        .map(|name| root.join(name))
        .find(|path| path.is_file());
    let path = found.ok_or_else(|| unreadable("it has no mcp.json".to_owned()))?;
    let size = std::fs::metadata(&path).map_or(u64::MAX, |data| data.len());
    if size > FILE_MAX {
        return Err(unreadable(format!(
            "its mcp.json has more than {FILE_MAX} bytes"
        )));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?;
    let mut file = read_servers(&text)?;
    for server in std::mem::take(&mut file.servers) {
        let id = server.id().to_string();
        match rooted(server, &root) {
            Ok(server) => file.servers.push(server),
            Err(error) => file.refused.push((id, error)),
        }
    }
    Ok(file)
}

fn rooted(mut server: McpServer, root: &Path) -> Result<McpServer, ConfigError> {
    let Place::Stdio(stdio) = &mut server.place else {
        return Ok(server);
    };
    let text = root
        .to_str()
        .ok_or_else(|| ConfigError::shape("/", "the package's path is no text"))?;
    let fill = |word: &str| {
        ROOTS
            .iter()
            .fold(word.to_owned(), |word, root| word.replace(root, text))
    };
    let mut command = fill(&stdio.command);
    if let Some(inside) = command.strip_prefix("./") {
        command = format!("{text}/{inside}");
    }
    let args = stdio.args.iter().map(|arg| fill(arg)).collect();
    // What it is now is checked like everything else.
    let mut filled = StdioServer::checked(command, args)?;
    for (name, value) in &stdio.env {
        filled.set_env(name, &fill(value))?;
    }
    filled.folder = Some(
        stdio
            .folder
            .as_deref()
            .map_or_else(|| text.to_owned(), fill),
    );
    filled.files = files_of(&filled, root)?;
    *stdio = filled;
    Ok(server.with_read(text))
}

/// Digests the files of the package that a command line names.
fn files_of(server: &StdioServer, root: &Path) -> Result<BTreeMap<String, Digest>, ConfigError> {
    let folder = server.folder.as_deref().map_or(root, Path::new);
    let mut files = BTreeMap::new();
    for word in server.command_line() {
        let Some(path) = inside(&folder.join(word), root) else {
            continue;
        };
        files.insert(path.display().to_string(), digest_of(&path)?);
    }
    Ok(files)
}

/// Returns the real path of a file inside the package.
fn inside(path: &Path, root: &Path) -> Option<PathBuf> {
    let path = std::fs::canonicalize(path).ok()?;
    (path.is_file() && path.starts_with(root)).then_some(path)
}

fn digest_of(path: &Path) -> Result<Digest, ConfigError> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|e| ConfigError::shape(path.display().to_string(), e.to_string()))?;
    Ok(Digest::of(&bytes))
}

/// Tells the first file that is not what it was when the configuration was made.
pub(crate) fn changed_file(server: &StdioServer) -> Option<&str> {
    let is_same =
        |path: &str, digest: &Digest| digest_of(Path::new(path)).is_ok_and(|now| now == *digest);
    let changed = server
        .files
        .iter()
        .find(|(path, digest)| !is_same(path, digest));
    changed.map(|(path, _)| path.as_str())
}
