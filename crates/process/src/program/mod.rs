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
use std::sync::Arc;

use keyway_host::digest::Digest;
use keyway_host::limits::Limits;
use keyway_host::package::Package;
use keyway_plugin_api::Manifest;
use keyway_sandbox::Program;

pub use error::ProgramError;
pub(crate) use interpreter::Interpreters;
pub(crate) use store::{InUse, Scratch, Store, write_private};

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
    /// Keeps the copy while anything runs from it.
    pub(crate) copy: Arc<InUse>,
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
        let (package, copy) = store.take_in(wanted)?;
        let copy = Arc::new(copy);
        let taken = Taken { package, copy };
        let spec = wanted.manifest.runtime().ok_or(ProgramError::NoCommand)?;
        let command = spec.command.as_deref().ok_or(ProgramError::NoCommand)?;
        match command.strip_prefix("./") {
            Some(inside) => in_package(&taken, inside, &spec.args, interpreters),
            None => through(&taken, command, &spec.args, interpreters),
        }
    }

    /// Tells whether the program runs from the copy, and not from sealed memory.
    pub(crate) fn is_script(&self) -> bool {
        self.is_script
    }

    /// Reads the copy once more, and holds it against what was approved. Blocks.
    ///
    /// Of a script, a swap between the check and the spawn is so found out before the child gets its
    /// secret.
    pub(crate) fn check_again(&self, limits: &Limits) -> Result<(), ProgramError> {
        let found = Package::read(&self.folder, limits).map_err(ProgramError::package)?;
        matches_digest(&found, self.digest)
    }
}

/// A package that was taken into the store.
struct Taken {
    package: Package,
    copy: Arc<InUse>,
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
    taken: &Taken,
    inside: &str,
    args: &[String],
    interpreters: &Interpreters,
) -> Result<Artifact, ProgramError> {
    let package = &taken.package;
    let path = package.folder.join(inside);
    let listed = package
        .files
        .get(inside)
        .ok_or_else(|| ProgramError::NotInPackage {
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
        return Ok(artifact(taken, program.args(args), Vec::new(), false));
    }
    let word = interpreter::of_first_line(&first, inside)?;
    let found = interpreters.resolve(&word)?;
    let program = Program::at(&found.path)
        .args(found.options)
        .arg(&path)
        .args(args);
    Ok(artifact(taken, program, found.reads, true))
}

/// Runs a script of the package through an interpreter that the manifest names.
fn through(
    taken: &Taken,
    word: &str,
    args: &[String],
    interpreters: &Interpreters,
) -> Result<Artifact, ProgramError> {
    let package = &taken.package;
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
    Ok(artifact(taken, program, found.reads, true))
}

fn artifact(taken: &Taken, program: Program, reads: Vec<PathBuf>, is_script: bool) -> Artifact {
    Artifact {
        program,
        folder: taken.package.folder.clone(),
        reads,
        digest: taken.package.digest,
        is_script,
        copy: Arc::clone(&taken.copy),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const MANIFEST: &str = r#"{
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "racer", "version": "1.0.0",
        "extensions": { "dev.keyway": {
            "schemaVersion": 1, "api": ">=0.1, <0.2",
            "runtime": { "kind": "process", "command": "./run" },
            "contributes": { "tools": ["go"] }
        } }
    }"#;

    fn put(path: &Path, bytes: &[u8]) {
        let staged = path.with_extension("staged");
        std::io::Write::write_all(&mut File::create(&staged).unwrap(), bytes).unwrap();
        std::fs::rename(&staged, path).unwrap();
    }

    /// Bytes are swapped all the time between the approval and the spawn; whatever is prepared is
    /// what was approved (the control: without a store, reading the path gives both).
    #[test]
    fn s_d6_only_approved_bytes_are_ever_prepared() {
        let (source, stores) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [good, evil] = ["/bin/true", "/bin/false"].map(|path| std::fs::read(path).unwrap());
        put(&source.path().join("plugin.json"), MANIFEST.as_bytes());
        let run = source.path().join("run");
        put(&run, &good);
        let limits = Limits::default();
        let approved = Package::read(source.path(), &limits).unwrap();
        let is_over = AtomicBool::new(false);
        let (mut prepared, mut refused, mut seen) = (0, 0, [false; 2]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    put(&run, &evil);
                    put(&run, &good);
                }
            });
            for round in 0..300 {
                let store = Store::open(&stores.path().join(round.to_string())).unwrap();
                let wanted = Wanted {
                    manifest: &approved.manifest,
                    digest: approved.digest,
                    source: source.path(),
                    limits: &limits,
                };
                match Artifact::prepare(&wanted, &store, &Interpreters::default()) {
                    Ok(artifact) => {
                        assert_eq!(
                            artifact.program.digest(),
                            Some(Digest::of(&good).as_bytes())
                        );
                        prepared += 1;
                    }
                    Err(_) => refused += 1,
                }
                let read = std::fs::read(&run).unwrap();
                seen[usize::from(read == evil)] = true;
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(seen, [true; 2], "the control: both were there to be run");
        assert!(
            prepared + refused == 300 && refused > 0,
            "{prepared} of 300"
        );
    }
}
