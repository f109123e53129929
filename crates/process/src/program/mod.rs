//! What is spawned for a plugin: bytes that belong to the approved package, and nothing else.
//!
//! The package is copied into the host's own store, and the copy is hashed: what was hashed is what
//! runs. A native program runs from sealed memory. A script runs from the copy, through an
//! interpreter that the host looks up itself. Nothing here starts anything.

mod error;
mod interpreter;
mod store;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use keyway_host::digest::Digest;
use keyway_host::limits::Limits;
use keyway_host::package::Package;
use keyway_plugin_api::Manifest;
use keyway_sandbox::Program;

pub use error::ProgramError;
pub(crate) use interpreter::Interpreters;
pub(crate) use store::{Scratch, Store, write_private};

/// What a native program begins with.
const ELF: &[u8] = b"\x7fELF";
/// Bytes of a first line that are looked at for an interpreter.
const SHEBANG_MAX: usize = 256;

/// A program of an approved package, ready to be spawned as often as needed.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) program: Program,
    /// The package's copy; the program may read it.
    pub(crate) folder: PathBuf,
    /// Where the interpreter and its library lie.
    pub(crate) reads: Vec<PathBuf>,
    digest: Digest,
    /// The program runs from the copy, so the copy is looked at again after each spawn.
    is_script: bool,
}

/// What an artifact is made of.
pub(crate) struct Wanted<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) digest: Digest,
    pub(crate) source: &'a Path,
    pub(crate) limits: &'a Limits,
}

impl Artifact {
    /// Copies the package into the store, holds it against the approved digest and finds out how
    /// it runs. Blocks.
    pub(crate) fn prepare(
        wanted: &Wanted<'_>,
        store: &Store,
        interpreters: &Interpreters,
    ) -> Result<Self, ProgramError> {
        let package = store.take_in(wanted)?;
        let spec = wanted.manifest.runtime().ok_or(ProgramError::NoCommand)?;
        let command = spec.command.as_deref().ok_or(ProgramError::NoCommand)?;
        match command.strip_prefix("./") {
            Some(inside) => in_package(&package, inside, &spec.args, interpreters),
            None => through(&package, command, &spec.args, interpreters),
        }
    }

    /// Reads the copy once more: a swap between the check and the spawn is found out before the
    /// child gets its secret. Blocks.
    pub(crate) fn check_again(&self, limits: &Limits) -> Result<(), ProgramError> {
        if !self.is_script {
            return Ok(());
        }
        let found = Package::read(&self.folder, limits).map_err(ProgramError::package)?;
        matches_digest(&found, self.digest)
    }
}

pub(crate) fn matches_digest(package: &Package, approved: Digest) -> Result<(), ProgramError> {
    match package.digest == approved {
        true => Ok(()),
        false => Err(ProgramError::NotApproved {
            found: package.digest.to_string(),
            approved: approved.to_string(),
        }),
    }
}

/// Runs a file of the package: a native program, or a script by its first line.
fn in_package(
    package: &Package,
    inside: &str,
    args: &[String],
    interpreters: &Interpreters,
) -> Result<Artifact, ProgramError> {
    let path = package.folder.join(inside);
    let listed = package.files.get(inside).ok_or_else(|| ProgramError::NotInPackage {
        file: inside.to_owned(),
    })?;
    let mut file = File::open(&path).map_err(|e| ProgramError::unreadable(&path, e))?;
    let mut first = Vec::new();
    let begin = u64::try_from(SHEBANG_MAX).unwrap_or(u64::MAX);
    (&mut file)
        .take(begin)
        .read_to_end(&mut first)
        .map_err(|e| ProgramError::unreadable(&path, e))?;
    if first.starts_with(ELF) {
        let program = Program::sealed(&path)?;
        // The sealed bytes are those of the approved digest, whatever happened to the file since.
        if program.digest() != Some(listed.as_bytes()) {
            return Err(ProgramError::NotApproved {
                found: "other bytes".to_owned(),
                approved: listed.to_string(),
            });
        }
        return Ok(artifact(package, program.args(args), Vec::new(), false));
    }
    let word = interpreter::of_first_line(&first, inside)?;
    let found = interpreters.resolve(&word)?;
    let program = Program::at(&found.path)
        .args(found.options)
        .arg(&path)
        .args(args);
    Ok(artifact(package, program, found.reads, true))
}

/// Runs a script of the package through an interpreter that the manifest names.
fn through(
    package: &Package,
    word: &str,
    args: &[String],
    interpreters: &Interpreters,
) -> Result<Artifact, ProgramError> {
    let script = interpreter::script_of(word, args)?;
    let inside = script.strip_prefix("./").unwrap_or(script);
    if !package.files.contains_key(inside) {
        let file = script.to_owned();
        return Err(ProgramError::NotInPackage { file });
    }
    let path: OsString = package.folder.join(inside).into();
    let found = interpreters.resolve(word)?;
    let args = args.iter().map(|arg| match arg == script {
        true => path.clone(),
        false => arg.into(),
    });
    let program = Program::at(&found.path).args(found.options).args(args);
    Ok(artifact(package, program, found.reads, true))
}

fn artifact(package: &Package, program: Program, reads: Vec<PathBuf>, is_script: bool) -> Artifact {
    Artifact {
        program,
        folder: package.folder.clone(),
        reads,
        digest: package.digest,
        is_script,
    }
}
