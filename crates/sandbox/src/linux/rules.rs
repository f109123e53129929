//! What Landlock is told.

use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope,
};

use crate::error::SpawnError;
use crate::jail::Jail;

/// The version from which signals and abstract sockets are kept inside.
pub(super) const SCOPES: u32 = 6;
/// The version from which emptying a file needs a right.
pub(super) const TRUNCATION: u32 = 3;
/// The version from which network connections need a right.
const NETWORK: u32 = 4;

/// Builds the ruleset of a jail, or nothing where the kernel has no Landlock.
pub(super) fn ruleset(jail: &Jail) -> Result<Option<OwnedFd>, SpawnError> {
    if jail.probe.landlock == 0 {
        // What must be there must be there on every kernel.
        for path in jail.read.iter().chain(&jail.scratch) {
            let is_there = path.metadata();
            is_there.map_err(|source| SpawnError::Path {
                path: path.clone(),
                source,
            })?;
        }
        return Ok(None);
    }
    let abi = abi(jail.probe.landlock);
    let all = AccessFs::from_all(abi);
    // Reading an executable that was written here would be running code that nobody approved.
    let write = all & !AccessFs::Execute;
    let mut rules = create(jail.probe.landlock, abi).map_err(refused)?;
    for path in jail.system_paths() {
        match add(rules, Path::new(path), AccessFs::from_read(abi)) {
            Ok(more) => rules = more,
            // Not every system has all of these.
            Err(Added::Missing(same)) => rules = same,
            Err(Added::Failed(error)) => return Err(error),
        }
    }
    let null = BitFlags::from(AccessFs::ReadFile) | AccessFs::WriteFile | AccessFs::Truncate;
    rules = must(
        add(rules, Path::new("/dev/null"), null & all),
        Path::new("/dev/null"),
    )?;
    for path in &jail.read {
        rules = must(add(rules, path, AccessFs::from_read(abi)), path)?;
    }
    for path in &jail.scratch {
        rules = must(add(rules, path, write), path)?;
    }
    Ok(rules.into())
}

/// The newest version of the interface that both the kernel and this crate know.
fn abi(version: u32) -> ABI {
    match version {
        0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        _ => ABI::V9,
    }
}

fn create(version: u32, abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
    if version >= NETWORK {
        rules = rules.handle_access(AccessNet::from_all(abi))?;
    }
    if version >= SCOPES {
        rules = rules.scope(Scope::from_all(abi))?;
    }
    rules.create()
}

/// Why a path was not added.
enum Added {
    Missing(RulesetCreated),
    Failed(SpawnError),
}

fn add(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Added> {
    let opened = match PathFd::new(path) {
        Ok(opened) => opened,
        Err(PathFdError::OpenCall { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            return Err(Added::Missing(rules));
        }
        Err(PathFdError::OpenCall { source, .. }) => {
            let path = path.to_owned();
            return Err(Added::Failed(SpawnError::Path { path, source }));
        }
        Err(other) => return Err(Added::Failed(refused_with(other.to_string()))),
    };
    // Rights of folders mean nothing for a file, and the kernel refuses them.
    let access = match path.is_dir() {
        true => access,
        false => access & AccessFs::from_file(ABI::V9),
    };
    let added = rules.add_rule(PathBeneath::new(opened, access));
    added.map_err(|error| Added::Failed(refused(error)))
}

/// Takes what could not be found as an error.
fn must(added: Result<RulesetCreated, Added>, path: &Path) -> Result<RulesetCreated, SpawnError> {
    added.map_err(|why| match why {
        Added::Failed(error) => error,
        Added::Missing(_) => SpawnError::Path {
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        },
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "errors are handed on by value"
)]
fn refused(error: RulesetError) -> SpawnError {
    refused_with(error.to_string())
}

fn refused_with(words: String) -> SpawnError {
    SpawnError::Host {
        what: "building the Landlock ruleset",
        source: std::io::Error::other(words),
    }
}
