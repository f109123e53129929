//! Why a program was not started.

use std::io;
use std::path::PathBuf;

use crate::level::{Level, Reached};

/// Says why a confined program was not started. Nothing of it has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The control group could not be made.
    #[error("the control group {} cannot be used: {source}; name one that is delegated to this user, or none", path.display())]
    #[non_exhaustive]
    Cgroup {
        /// The group.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused something that the host needs for a start.
    #[error("{what} failed: {source}")]
    #[non_exhaustive]
    Host {
        /// What was tried.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// An argument, path or name holds a NUL byte.
    #[error("{what} holds a NUL byte; the operating system cannot pass it on")]
    #[non_exhaustive]
    Nul {
        /// What holds it.
        what: &'static str,
    },
    /// A path of the jail cannot be opened.
    #[error("the path {} cannot be opened: {source}; take it out of the jail, or make it", path.display())]
    #[non_exhaustive]
    Path {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A step in the child failed, so the program was not begun.
    #[error("the confined child failed at {step}: {source}")]
    #[non_exhaustive]
    Step {
        /// The step.
        step: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// More descriptors are handed over than a child takes.
    #[error("{count} descriptors are handed over; a child takes 32 at most")]
    #[non_exhaustive]
    TooManyDescriptors {
        /// How many.
        count: usize,
    },
    /// This machine cannot confine a program as far as is wanted.
    #[error("{wanted} is wanted, but this machine reaches {}: {}", reached.level(), listed(reached))]
    #[non_exhaustive]
    TooWeak {
        /// The level that is wanted.
        wanted: Level,
        /// What would be reached.
        reached: Reached,
    },
}

impl SpawnError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cgroup { .. } => "SANDBOX_CGROUP",
            Self::Host { .. } => "SANDBOX_HOST",
            Self::Nul { .. } => "SANDBOX_NUL",
            Self::Path { .. } => "SANDBOX_PATH",
            Self::Step { .. } => "SANDBOX_STEP",
            Self::TooManyDescriptors { .. } => "SANDBOX_TOO_MANY_DESCRIPTORS",
            Self::TooWeak { .. } => "SANDBOX_TOO_WEAK",
        }
    }

    pub(crate) fn host(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Host { what, source }
    }
}

fn listed(reached: &Reached) -> String {
    let lowering = reached
        .missing()
        .iter()
        .filter(|missing| missing.lowers_level());
    lowering
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
