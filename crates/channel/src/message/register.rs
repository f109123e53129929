//! The result of `keyway/register`.

use keyway_plugin_api::{HookAuthority, HookPoint, ToolDescriptor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RawAnswer;
use super::error::ProtocolError;
use super::output::{parse_result, raw_answer};

/// What a plugin registered, as it says itself. The host holds it against what was approved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct Registration {
    /// Its tools.
    #[serde(default)]
    pub tools: Vec<ToolDescriptor>,
    /// Its hooks.
    #[serde(default)]
    pub hooks: Vec<HookRegistration>,
}

/// A hook that a plugin registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct HookRegistration {
    /// The number that `hooks/run` names.
    pub id: u32,
    /// Where it runs.
    pub point: HookPoint,
    /// What it may do.
    pub authority: HookAuthority,
}

impl Registration {
    /// Writes it as a result.
    ///
    /// # Errors
    /// The error to answer with when a descriptor cannot be JSON.
    pub fn to_result(&self) -> RawAnswer {
        raw_answer(self)
    }

    /// Reads it from a result.
    ///
    /// # Errors
    /// [`ProtocolError::Invalid`] when it does not fit.
    pub fn from_result(result: &RawValue) -> Result<Self, ProtocolError> {
        parse_result(result)
    }
}
