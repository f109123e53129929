//! Why a plugin's program must not run.

use std::io;
use std::path::{Path, PathBuf};

use keyway_host::package::PackageError;

/// Says why there is nothing to spawn for a plugin. Each is permanent: the package or the machine has
/// to change first.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The arguments hold code, so nobody could approve a file.
    #[error(
        "the argument `{argument}` of {word} is code or takes code; put it into a file of the package"
    )]
    #[non_exhaustive]
    InlineCode {
        /// The interpreter.
        word: String,
        /// The argument.
        argument: String,
    },
    /// A shell would run whatever it is told.
    #[error(
        "`{word}` is no interpreter that plugins run in; write the plugin as a program, or in a language with an SDK"
    )]
    #[non_exhaustive]
    Interpreter {
        /// The word.
        word: String,
    },
    /// The manifest names no program.
    #[error("the manifest names no `runtime.command`")]
    NoCommand,
    /// The interpreter is not on this machine.
    #[error("there is no native program `{word}` in {}; install it, or name it to ProcessOptions::with_interpreter", searched.join(", "))]
    #[non_exhaustive]
    NoInterpreter {
        /// The word.
        word: String,
        /// Where it was looked for.
        searched: Vec<String>,
    },
    /// The package is not what the operator approved.
    #[error(
        "the package is not what was approved: found {found}, approved {approved}; reload the plugin to have it looked at"
    )]
    #[non_exhaustive]
    NotApproved {
        /// What is there.
        found: String,
        /// What was approved.
        approved: String,
    },
    /// The file that would run is not in the package.
    #[error("`{file}` is no file of the package")]
    #[non_exhaustive]
    NotInPackage {
        /// The file.
        file: String,
    },
    /// The file is neither a native program nor a script that says what runs it.
    #[error("`{file}` is neither a native program nor a script with a first line `#!`")]
    #[non_exhaustive]
    NotRunnable {
        /// The file.
        file: String,
    },
    /// The plugin is not on disk.
    #[error("a plugin that runs as a process lies in a folder; this one does not")]
    NoSource,
    /// The package cannot be read.
    #[error("{0}")]
    Package(Box<PackageError>),
    /// The program could not be sealed.
    #[error(transparent)]
    Seal(#[from] keyway_sandbox::ProgramError),
    /// A file of the package or of the store cannot be read or written.
    #[error("{}: {source}", path.display())]
    #[non_exhaustive]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl ProgramError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InlineCode { .. } => "PROGRAM_INLINE_CODE",
            Self::Interpreter { .. } => "PROGRAM_INTERPRETER",
            Self::NoCommand => "PROGRAM_NO_COMMAND",
            Self::NoInterpreter { .. } => "PROGRAM_NO_INTERPRETER",
            Self::NotApproved { .. } => "PACKAGE_NOT_APPROVED",
            Self::NotInPackage { .. } => "PROGRAM_NOT_IN_PACKAGE",
            Self::NotRunnable { .. } => "PROGRAM_NOT_RUNNABLE",
            Self::NoSource => "PACKAGE_NOT_ON_DISK",
            Self::Package(error) => error.code(),
            Self::Seal(error) => error.code(),
            Self::Unreadable { .. } => "PACKAGE_UNREADABLE",
        }
    }

    pub(crate) fn package(error: PackageError) -> Self {
        Self::Package(Box::new(error))
    }

    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source,
        }
    }
}
