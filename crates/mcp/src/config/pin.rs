//! Whether a launch names one certain version.

use std::fmt;

use super::launch::{StdioServer, program_name};

/// Whether what a launch runs is one certain version, or whatever is newest on the day.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a launch is pinned or it is not")]
pub enum Pinning {
    /// It names one version, or a file on this machine.
    Pinned,
    /// Somebody else decides what runs, each time anew.
    Unpinned {
        /// Why, for the operator.
        why: String,
    },
}

impl Pinning {
    /// Tells whether it is pinned.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        matches!(self, Self::Pinned)
    }
}

impl fmt::Display for Pinning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned => f.pad("pinned"),
            Self::Unpinned { why } => write!(f, "unpinned: {why}"),
        }
    }
}

pub(super) fn of(server: &StdioServer) -> Pinning {
    let program = program_name(&server.command);
    let package = || {
        server
            .args
            .iter()
            .find(|arg| !arg.starts_with('-'))
            .map(String::as_str)
    };
    let named = |flags: &[&str]| {
        let mut args = server.args.iter();
        args.by_ref().find(|arg| flags.contains(&arg.as_str()))?;
        args.next().map(String::as_str)
    };
    match program.as_str() {
        "npx" | "bunx" | "pnpx" => {
            package_of(named(&["-p", "--package"]).or_else(package), npm_version)
        }
        "npm" | "pnpm" | "yarn" | "bun" => match server.args.first().map(String::as_str) {
            Some("exec" | "x" | "dlx") => package_of(
                server
                    .args
                    .iter()
                    .skip(1)
                    .find(|a| !a.starts_with('-'))
                    .map(String::as_str),
                npm_version,
            ),
            _ => Pinning::Pinned,
        },
        "uvx" | "pipx" => package_of(
            named(&["--from", "--spec"])
                .or_else(package)
                .filter(|p| *p != "run"),
            python_version,
        ),
        "uv" if server.args.first().is_some_and(|arg| arg == "tool") => package_of(
            named(&["--from"]).or_else(|| server.args.get(2).map(String::as_str)),
            python_version,
        ),
        "docker" | "podman" | "nerdctl" => image(server),
        _ => Pinning::Pinned,
    }
}

fn package_of(package: Option<&str>, version: fn(&str) -> Option<&str>) -> Pinning {
    let Some(package) = package else {
        return Pinning::Unpinned {
            why: "it names no package".to_owned(),
        };
    };
    let is_remote =
        package.contains("://") || package.starts_with("git+") || package.starts_with("github:");
    if is_remote || !version(package).is_some_and(is_exact) {
        return Pinning::Unpinned {
            why: format!("`{}` names no exact version", super::error::shown(package)),
        };
    }
    Pinning::Pinned
}

fn npm_version(package: &str) -> Option<&str> {
    let bare = package.strip_prefix('@').unwrap_or(package);
    bare.split_once('@').map(|(_, version)| version)
}

fn python_version(package: &str) -> Option<&str> {
    package
        .split_once("==")
        .or_else(|| package.split_once('@'))
        .map(|(_, version)| version)
}

/// Tells an exact version from a tag and a range: `1.2.3`, with what a release may add behind.
fn is_exact(version: &str) -> bool {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || ".-+".contains(c));
    let parts: Vec<_> = version.split(['.', '-', '+']).collect();
    let are_numbers = parts
        .iter()
        .take(2)
        .all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    !version.contains(odd) && parts.len() >= 2 && are_numbers && !parts.contains(&"x")
}

fn image(server: &StdioServer) -> Pinning {
    match server.args.iter().any(|arg| arg.contains("@sha256:")) {
        true => Pinning::Pinned,
        false => Pinning::Unpinned {
            why: "the image is not named by its digest".to_owned(),
        },
    }
}
