//! Where a plugin comes from and how far its source is believed: two facts, never one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Rank of a plugin's origin in a contest for a slot; lower wins. Rank never implies trust.
///
/// Files write it as a number, people read it as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "source 002 fixes the three ranks")]
pub enum Precedence {
    /// Project-local; wins over the others.
    Workspace = 0,
    /// Installed by a user.
    User = 1,
    /// Bundled with the runtime.
    Builtin = 2,
}

impl Precedence {
    /// Returns the word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::User => "user",
            Self::Builtin => "builtin",
        }
    }

    /// Tells whether `self` takes a slot from `other`.
    #[must_use]
    pub fn outranks(self, other: Self) -> bool {
        self < other
    }
}

impl Serialize for Precedence {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(*self as u8)
    }
}

impl<'de> Deserialize<'de> for Precedence {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match u8::deserialize(d)? {
            0 => Ok(Self::Workspace),
            1 => Ok(Self::User),
            2 => Ok(Self::Builtin),
            n => Err(serde::de::Error::custom(format!(
                "unexpected precedence {n}, expected 0 (workspace), 1 (user) or 2 (builtin)"
            ))),
        }
    }
}

/// How far a plugin's source is believed, least first. The order is meaning.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "source 004 fixes the three tiers")]
pub enum Trust {
    /// Anybody's.
    #[default]
    Community,
    /// Signed or reviewed.
    Trusted,
    /// First-party, part of the runtime.
    Builtin,
}

impl Trust {
    /// Returns the word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::Trusted => "trusted",
            Self::Builtin => "builtin",
        }
    }
}

/// Says that a word is none of the expected ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unexpected {kind} `{input}`, expected one of {expected}")]
#[non_exhaustive]
pub struct UnknownWord {
    /// What was being parsed.
    pub kind: &'static str,
    /// The input, escaped.
    pub input: String,
    /// The words that would have done.
    pub expected: &'static str,
}

macro_rules! words {
    ($type:ident, $kind:literal, $expected:literal, $($word:literal => $variant:ident),+) => {
        impl FromStr for $type {
            type Err = UnknownWord;
            fn from_str(input: &str) -> Result<Self, UnknownWord> {
                match input {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        kind: $kind,
                        input: input.escape_default().to_string(),
                        expected: $expected,
                    }),
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(Precedence, "precedence", "workspace, user, builtin",
    "workspace" => Workspace, "user" => User, "builtin" => Builtin);
words!(Trust, "trust", "community, trusted, builtin",
    "community" => Community, "trusted" => Trusted, "builtin" => Builtin);
