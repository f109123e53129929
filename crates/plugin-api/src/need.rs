//! What a tool needs from its host, read off the types of its parameters at compile time.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Effect;

/// A need as an extractor type states it; `const`, so that the build can check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConstNeed {
    /// The parameter is the model's arguments.
    Arguments,
    /// Reads files under the granted roots.
    FilesystemRead,
    /// Writes files under the granted roots.
    FilesystemWrite,
    /// Talks to these hosts.
    Network(&'static [&'static str]),
    /// Needs nothing from the host.
    Nothing,
    /// Reads one secret.
    Secret(&'static str),
    /// Keeps state of its own.
    State,
    /// Calls other tools.
    Tools,
}

impl ConstNeed {
    /// Tells whether the need lets a tool change something outside the plugin.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::FilesystemWrite)
    }
}

/// Fails the build when a tool declared `effect = read` takes a parameter that writes.
///
/// The derive calls this in a `const`, so a contradiction is a compile error.
///
/// # Panics
/// At compile time only, with the contradiction as its text.
#[doc(hidden)]
#[expect(
    clippy::panic,
    reason = "runs in a const: the panic is the compile error"
)]
pub const fn assert_effect_allows(effect: Effect, needs: &[ConstNeed]) {
    let mut i = 0;
    while i < needs.len() {
        if matches!(effect, Effect::Read) && needs[i].writes() {
            panic!(
                "tool is declared `effect = read` but takes a parameter that writes (FsWrite): \
                 declare `effect = write` or take `FsRead`"
            );
        }
        i += 1;
    }
}

/// A need of a tool as data, in its descriptor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Need {
    /// Reads files under the granted roots.
    FilesystemRead,
    /// Writes files under the granted roots.
    FilesystemWrite,
    /// Talks to one of these hosts.
    Network {
        /// Host names.
        hosts: Vec<String>,
    },
    /// Reads one secret.
    Secret {
        /// The secret's name.
        name: String,
    },
    /// Keeps state of its own.
    State,
    /// Calls other tools.
    Tools,
}

impl Need {
    /// Turns the compile-time form into data; `None` where nothing is needed from the host.
    #[must_use]
    pub fn from_const(need: ConstNeed) -> Option<Self> {
        match need {
            ConstNeed::Arguments | ConstNeed::Nothing => None,
            ConstNeed::FilesystemRead => Some(Self::FilesystemRead),
            ConstNeed::FilesystemWrite => Some(Self::FilesystemWrite),
            ConstNeed::Network(hosts) => Some(Self::Network {
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            }),
            ConstNeed::Secret(name) => Some(Self::Secret {
                name: name.to_owned(),
            }),
            ConstNeed::State => Some(Self::State),
            ConstNeed::Tools => Some(Self::Tools),
        }
    }

    /// Tells whether the tool reaches beyond this machine and its host.
    #[must_use]
    pub fn is_open_world(&self) -> bool {
        matches!(self, Self::Network { .. })
    }
}

/// Writes the need as a tag, in the form capabilities are shown to people.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FilesystemRead => f.write_str("filesystem:read"),
            Self::FilesystemWrite => f.write_str("filesystem:write"),
            Self::Network { hosts } => write!(f, "network:{}", hosts.join(",")),
            Self::Secret { name } => write!(f, "secret:{name}"),
            Self::State => f.write_str("state"),
            Self::Tools => f.write_str("tool"),
        }
    }
}
