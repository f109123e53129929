//! Paths as plugins and grants write them, taken apart without looking at any disk.

use std::collections::BTreeSet;

use super::FilesError;

/// Longest path, in bytes.
const PATH_BYTES: usize = 1024;

/// Names that steer agents, shells and version control. A plugin may write to one only when the
/// grant itself names it: a grant of the folder around it is not meant for it.
const STEERING: [&str; 28] = [
    ".bash_login",
    ".bash_profile",
    ".bashrc",
    ".claude",
    ".claude.json",
    ".codex",
    ".cursor",
    ".env",
    ".envrc",
    ".gemini",
    ".git",
    ".gitconfig",
    ".github",
    ".gnupg",
    ".keyway",
    ".mcp.json",
    ".npmrc",
    ".profile",
    ".pypirc",
    ".ssh",
    ".vscode",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    "agents.md",
    "claude.md",
    "mcp.json",
    "memory.md",
];

/// A path's components; never `.`, `..` or empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'p> {
    pub(super) absolute: bool,
    pub(super) names: Vec<&'p str>,
}

impl<'p> Parts<'p> {
    pub(super) fn parse(path: &'p str) -> Result<Self, FilesError> {
        let rule = if path.is_empty() || path.len() > PATH_BYTES {
            "a path has 1 to 1024 bytes"
        } else if path.chars().any(char::is_control) {
            "a path has no control characters"
        } else if path.contains('\\') || path.as_bytes().get(1) == Some(&b':') {
            "separate the parts of a path with `/` and name no drive"
        } else if path.split('/').any(|name| name == "..") {
            "`..` is never allowed"
        } else if path.split('/').any(|name| name.len() > 255) {
            "a name has at most 255 bytes"
        } else {
            let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
            return Ok(Self {
                absolute: path.starts_with('/'),
                names: names.collect(),
            });
        };
        Err(FilesError::BadPath {
            path: super::shown(path),
            rule,
        })
    }

    fn contains(&self, other: &Self) -> bool {
        self.absolute == other.absolute && other.names.starts_with(&self.names)
    }

    /// Returns how many components the longest grant that covers this path has.
    pub(super) fn granted_by(&self, granted: &BTreeSet<String>) -> Option<usize> {
        let covering = granted
            .iter()
            .filter_map(|grant| Parts::parse(grant).ok())
            .filter(|grant| grant.contains(self));
        covering.map(|grant| grant.names.len()).max()
    }

    /// Tells whether the path reaches a steering name that lies beyond its grant.
    pub(super) fn steers(&self, grant_len: usize) -> bool {
        let steering = |name: &&str| STEERING.iter().any(|s| s.eq_ignore_ascii_case(name));
        self.names.iter().skip(grant_len).any(steering)
    }
}
