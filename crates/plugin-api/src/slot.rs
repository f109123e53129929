//! Slots: functional positions, exclusive but for `custom`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A functional position in the runtime. The order is the order of initialisation.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "source 002 fixes the five slots")]
pub enum Slot {
    /// Metrics and observability.
    Telemetry,
    /// Persistent memory.
    Memory,
    /// Language model provider.
    Llm,
    /// Proof generation.
    Proof,
    /// Anything else; not exclusive.
    #[default]
    Custom,
}

impl Slot {
    /// Every slot, in order of initialisation.
    pub const ALL: [Self; 5] = [
        Self::Telemetry,
        Self::Memory,
        Self::Llm,
        Self::Proof,
        Self::Custom,
    ];

    /// Tells whether at most one plugin may hold the slot.
    #[must_use]
    pub fn is_exclusive(self) -> bool {
        !matches!(self, Self::Custom)
    }

    /// Returns the name as files and the CLI write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Memory => "memory",
            Self::Llm => "llm",
            Self::Proof => "proof",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
