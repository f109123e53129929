//! Results: of tools, hooks, pings and migrations.

use keyway_plugin_api::{Content, HookVerdict, StateEntries, ToolError, ToolOutput};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::RawAnswer;
use super::bytes::{Base64, Bytes};
use super::envelope::{Answer, invalid};
use super::error::{ProtocolError, RpcError};
use super::id::HostRequestId;
use super::plain::{Plain, write_output};
use crate::frame::{FrameError, encode, encode_with};
use crate::limits::ChannelLimits;

/// Reads a result into a type.
///
/// # Errors
/// [`ProtocolError::Invalid`] when it does not fit.
pub fn parse_result<'a, T: Deserialize<'a>>(result: &'a RawValue) -> Result<T, ProtocolError> {
    serde_json::from_str(result.get())
        .map_err(|e| invalid(format!("is a result that does not fit its request: {e}")))
}

/// Writes a result; what cannot be written becomes an error.
pub(super) fn raw_answer<T: Serialize + ?Sized>(result: &T) -> RawAnswer {
    to_raw_value(result)
        .map_err(|e| RpcError::tool(&ToolError::internal(format!("the result is not JSON: {e}"))))
}

/// Returns the result that says "done" and nothing else: `{}`.
///
/// # Errors
/// None in practice: `{}` is always JSON.
pub fn done() -> RawAnswer {
    raw_answer(&serde_json::Map::new())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutputKind {
    Content,
    Empty,
    Json,
    Text,
}

#[derive(Deserialize)]
struct OutputIn<'a> {
    kind: OutputKind,
    #[serde(default)]
    text: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(default)]
    parts: Option<Vec<Content>>,
}

/// Keeps `null` apart from nothing.
fn present<'de, D: Deserializer<'de>>(d: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&'de RawValue>::deserialize(d).map(Some)
}

#[derive(Serialize)]
struct OutputOut<'a> {
    kind: OutputKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<&'a [Content]>,
}

#[derive(Serialize, Deserialize)]
struct Wrapped<T> {
    output: T,
}

/// Writes what a tool gave back as the result of `tools/call`.
///
/// # Errors
/// The error to answer with, for a failed tool.
pub fn output_to_result(outcome: Result<&ToolOutput, &ToolError>) -> RawAnswer {
    raw_answer(&result_of(outcome)?)
}

/// Appends the answer to `tools/call` to `out` as one line, without writing the result down first.
///
/// # Errors
/// [`FrameError`] when the answer cannot be sent; `out` is then as it was.
pub fn encode_output(
    id: HostRequestId,
    outcome: Result<&ToolOutput, &ToolError>,
    limits: ChannelLimits,
    out: &mut Vec<u8>,
) -> Result<(), FrameError> {
    let plain = match outcome {
        Ok(ToolOutput::Json(value)) => Plain::Json(value),
        Ok(ToolOutput::Text(text)) => Plain::Text(text),
        _ => {
            let result = result_of(outcome);
            return encode(&Answer::of(id, result.as_ref()), limits, out);
        }
    };
    encode_with(limits, out, |out| write_output(id, &plain, out))
}

fn result_of<'a>(
    outcome: Result<&'a ToolOutput, &ToolError>,
) -> Result<Wrapped<OutputOut<'a>>, RpcError> {
    let mut out = OutputOut {
        kind: OutputKind::Empty,
        text: None,
        value: None,
        parts: None,
    };
    match outcome.map_err(RpcError::tool)? {
        ToolOutput::Content(parts) => {
            out.kind = OutputKind::Content;
            out.parts = Some(parts);
        }
        ToolOutput::Empty => {}
        ToolOutput::Json(value) => {
            out.kind = OutputKind::Json;
            out.value = Some(value);
        }
        ToolOutput::Text(text) => {
            out.kind = OutputKind::Text;
            out.text = Some(text);
        }
        _ => {
            let error = ToolError::internal("this version cannot send such an output");
            return Err(RpcError::tool(&error));
        }
    }
    Ok(Wrapped { output: out })
}

/// Reads the result of `tools/call`.
///
/// # Errors
/// [`ProtocolError::Invalid`] when it is no output.
pub fn output_from_result(result: &RawValue) -> Result<ToolOutput, ProtocolError> {
    let Wrapped::<OutputIn<'_>> { output } = parse_result(result)?;
    let lacks = |field| invalid(format!("is an output without `{field}`"));
    match output.kind {
        OutputKind::Content => {
            let parts = output.parts.ok_or_else(|| lacks("parts"))?;
            Ok(ToolOutput::Content(parts))
        }
        OutputKind::Empty => Ok(ToolOutput::Empty),
        OutputKind::Json => {
            let value = output.value.ok_or_else(|| lacks("value"))?;
            Ok(ToolOutput::Json(value.to_owned()))
        }
        OutputKind::Text => {
            let text = output.text.ok_or_else(|| lacks("text"))?;
            Ok(ToolOutput::Text(text))
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
enum Verdict {
    Block {
        #[serde(default)]
        reason: String,
    },
    Continue,
    Rewrite {
        payload: Value,
    },
}

/// Writes a hook's verdict as the result of `hooks/run`.
///
/// # Errors
/// The error to answer with when the verdict is of a kind that cannot be sent.
pub fn verdict_to_result(verdict: HookVerdict) -> RawAnswer {
    raw_answer(&match verdict {
        HookVerdict::Block { reason } => Verdict::Block { reason },
        HookVerdict::Continue => Verdict::Continue,
        HookVerdict::Rewrite(payload) => Verdict::Rewrite { payload },
        _ => {
            let error = ToolError::internal("this version cannot send such a verdict");
            return Err(RpcError::tool(&error));
        }
    })
}

/// Reads the result of `hooks/run`.
///
/// # Errors
/// [`ProtocolError::Invalid`] when it is no verdict.
pub fn verdict_from_result(result: &RawValue) -> Result<HookVerdict, ProtocolError> {
    Ok(match parse_result(result)? {
        Verdict::Block { reason } => HookVerdict::Block { reason },
        Verdict::Continue => HookVerdict::Continue,
        Verdict::Rewrite { payload } => HookVerdict::Rewrite(payload),
    })
}

/// The result of `keyway/ping`: how busy the plugin is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct Pong {
    /// Calls and hooks that are under way.
    #[serde(default)]
    pub inflight: u32,
    /// Age of the oldest of them in milliseconds; 0 for none.
    #[serde(default)]
    pub oldest_ms: u64,
}

impl Pong {
    /// Writes it as a result.
    ///
    /// # Errors
    /// None in practice: two numbers are always JSON.
    pub fn to_result(self) -> RawAnswer {
        raw_answer(&self)
    }
}

/// State on its way from one layout to another: the parameters of `keyway/migrate`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct StateMigration {
    /// The layout that the entries have.
    pub from: u32,
    /// The layout that they are to have.
    pub to: u32,
    /// Every entry, by key.
    pub entries: StateEntries,
}

#[derive(Deserialize)]
struct MigrationIn {
    from: u32,
    to: u32,
    entries: Vec<(String, Bytes)>,
}

#[derive(Serialize)]
struct MigrationOut<'a> {
    from: u32,
    to: u32,
    entries: Vec<(&'a str, Base64<'a>)>,
}

#[derive(Deserialize)]
struct EntriesIn {
    entries: Vec<(String, Bytes)>,
}

#[derive(Serialize)]
struct EntriesOut<'a> {
    entries: Vec<(&'a str, Base64<'a>)>,
}

impl StateMigration {
    /// Writes the entries of the new layout as the result of `keyway/migrate`.
    ///
    /// # Errors
    /// None in practice: entries are always JSON.
    pub fn entries_to_result(entries: &StateEntries) -> RawAnswer {
        raw_answer(&EntriesOut {
            entries: pairs(entries),
        })
    }

    /// Reads the result of `keyway/migrate`.
    ///
    /// # Errors
    /// [`ProtocolError::Invalid`] when it holds no entries.
    pub fn entries_from_result(result: &RawValue) -> Result<StateEntries, ProtocolError> {
        Ok(collect(parse_result::<EntriesIn>(result)?.entries))
    }
}

fn pairs(entries: &StateEntries) -> Vec<(&str, Base64<'_>)> {
    entries
        .iter()
        .map(|(key, value)| (key.as_str(), Base64(value)))
        .collect()
}

fn collect(pairs: Vec<(String, Bytes)>) -> StateEntries {
    pairs
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect()
}

impl Serialize for StateMigration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let (from, to, entries) = (self.from, self.to, pairs(&self.entries));
        MigrationOut { from, to, entries }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for StateMigration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let MigrationIn { from, to, entries } = MigrationIn::deserialize(d)?;
        let entries = collect(entries);
        Ok(Self { from, to, entries })
    }
}
