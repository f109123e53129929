//! What a host sends.

use std::borrow::Cow;

use keyway_plugin_api::HookEvent;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RawAnswer;
use super::envelope::{Answer, Call, Opened, Text, invalid, open};
use super::error::{ProtocolError, Refusal, RpcError};
use super::id::{HostRequestId, PluginRequestId};
use super::output::StateMigration;
use crate::frame::{FrameError, encode};
use crate::limits::ChannelLimits;

/// One message of a host.
///
/// ```
/// use keyway_channel::ChannelLimits;
/// use keyway_channel::message::{FromHost, HostRequest, HostRequestId};
/// let ping = FromHost::Request { id: HostRequestId(7), request: HostRequest::Ping };
/// let mut line = Vec::new();
/// ping.encode(ChannelLimits::default(), &mut line)?;
/// assert_eq!(line, b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"keyway/ping\",\"params\":{}}\n");
/// # Ok::<(), keyway_channel::frame::FrameError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FromHost {
    /// The answer to a request of the plugin.
    Answer {
        /// The plugin's request.
        id: PluginRequestId,
        /// Its result, or the error instead.
        answer: RawAnswer,
    },
    /// Says that nobody waits for a call any more.
    Cancelled {
        /// The call.
        call: u64,
    },
    /// A notification that this version does not know; it is ignored.
    Ignored {
        /// The method.
        method: String,
    },
    /// A request that cannot be served. The reader sends the error back; the channel goes on.
    Refused {
        /// The request.
        id: HostRequestId,
        /// What to answer.
        error: RpcError,
    },
    /// A request.
    Request {
        /// Its number.
        id: HostRequestId,
        /// What is asked.
        request: HostRequest,
    },
}

/// What a host asks of a plugin.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HostRequest {
    /// Run a tool.
    CallTool(ToolCall),
    /// Finish what is under way and take nothing new.
    Drain,
    /// Bring exported state to another layout.
    Migrate(StateMigration),
    /// Say that you are alive. The reader answers, not the handlers.
    Ping,
    /// Register the contributions.
    Register {
        /// The whole approved `plugin.json`.
        manifest: Box<RawValue>,
        /// The operator's settings.
        settings: Box<RawValue>,
    },
    /// Run a hook.
    RunHook {
        /// The hook's number in the answer to `Register`.
        hook: u32,
        /// What happened.
        event: HookEvent,
    },
    /// Stop and exit.
    Shutdown,
    /// Prepare for calls.
    Start,
}

/// One call of a tool, as it travels.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct ToolCall {
    /// The tool's name inside its plugin.
    pub name: String,
    /// The arguments, as raw JSON.
    pub arguments: Box<RawValue>,
    /// Number of the call, unique while the host runs.
    pub call: u64,
    /// When the call must have ended, in Unix milliseconds; `i64::MAX` (left out on the wire) for
    /// never.
    pub deadline_ms: i64,
    /// The agent that called, as `organisation/team/agent`.
    pub caller: String,
}

#[derive(Serialize, Deserialize)]
struct ToolParams<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default = "no_arguments")]
    arguments: &'a RawValue,
    #[serde(borrow, rename = "_meta")]
    meta: Meta<'a>,
}

/// A whole line that calls a tool, with what belongs into it and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallLine<'a> {
    #[serde(borrow)]
    jsonrpc: Text<'a>,
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    params: ToolParams<'a>,
}

#[derive(Serialize, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "dev.keyway/call")]
    call: CallMeta<'a>,
}

#[derive(Serialize, Deserialize)]
struct CallMeta<'a> {
    call: u64,
    #[serde(default = "never", skip_serializing_if = "is_never")]
    deadline_ms: i64,
    #[serde(borrow, default)]
    caller: Cow<'a, str>,
}

fn no_arguments<'a>() -> &'a RawValue {
    serde_json::from_str("{}").unwrap_or(RawValue::NULL)
}

fn never() -> i64 {
    i64::MAX
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape serde asks for"
)]
fn is_never(deadline_ms: &i64) -> bool {
    *deadline_ms == i64::MAX
}

#[derive(Serialize, Deserialize)]
struct RegisterParams<T> {
    manifest: T,
    settings: T,
}

#[derive(Serialize, Deserialize)]
struct HookParams<T> {
    hook: u32,
    event: T,
}

#[derive(Serialize, Deserialize)]
struct CancelledParams {
    call: u64,
}

#[derive(Serialize)]
struct Nothing {}

impl FromHost {
    /// Every method that a host sends after the handshake, sorted.
    pub const METHODS: [&str; 9] = [
        "hooks/run",
        "keyway/drain",
        "keyway/migrate",
        "keyway/ping",
        "keyway/register",
        "keyway/shutdown",
        "keyway/start",
        "notifications/cancelled",
        "tools/call",
    ];

    /// Reads one line.
    ///
    /// # Errors
    /// [`ProtocolError`], which ends the channel.
    pub fn parse(line: &str) -> Result<Self, ProtocolError> {
        match Self::plain_call(line) {
            Some(call) => Ok(call),
            None => Self::parse_any(line),
        }
    }

    fn parse_any(line: &str) -> Result<Self, ProtocolError> {
        match open(line)? {
            Opened::Answer { id, answer } => {
                let id = PluginRequestId::read(id)
                    .ok_or_else(|| invalid("answers an id that is not \"p1\", \"p2\", …"))?;
                let answer = answer.map(ToOwned::to_owned);
                Ok(Self::Answer { id, answer })
            }
            Opened::Notice { method, params } => Self::notice(&method, params),
            Opened::Request { id, method, params } => {
                let id = HostRequestId::read(id)
                    .ok_or_else(|| invalid("has an id that is not a positive integer"))?;
                Self::request(id, &method, params)
            }
        }
    }

    /// Reads a call with nothing odd about it in one go. Whatever is odd is left to the long way,
    /// which says what.
    fn plain_call(line: &str) -> Option<Self> {
        if !line.contains(r#""tools/call""#) {
            return None;
        }
        let read: CallLine<'_> = serde_json::from_str(line).ok()?;
        let is_call = read.jsonrpc.0 == "2.0" && read.method.0 == "tools/call";
        let id = HostRequestId::read(read.id.get()).filter(|_| is_call)?;
        let request = HostRequest::CallTool(read.params.into());
        Some(Self::Request { id, request })
    }

    fn notice(method: &str, params: &str) -> Result<Self, ProtocolError> {
        let ignored = || Self::Ignored {
            method: method.to_owned(),
        };
        match method {
            "keyway/ready" => Err(again(method)),
            "notifications/cancelled" => Ok(serde_json::from_str(params).map_or_else(
                |_| ignored(),
                |CancelledParams { call }| Self::Cancelled { call },
            )),
            _ => Ok(ignored()),
        }
    }

    fn request(id: HostRequestId, method: &str, params: &str) -> Result<Self, ProtocolError> {
        if method == "keyway/hello" {
            return Err(again(method));
        }
        Ok(match HostRequest::read(method, params) {
            Ok(Some(request)) => Self::Request { id, request },
            Ok(None) => Self::Refused {
                id,
                error: unknown_method(method),
            },
            Err(e) => Self::Refused {
                id,
                error: bad_params(method, &e),
            },
        })
    }

    /// Appends the message to `out` as one line.
    ///
    /// # Errors
    /// [`FrameError`] when the message cannot be sent; `out` is then as it was.
    pub fn encode(&self, limits: ChannelLimits, out: &mut Vec<u8>) -> Result<(), FrameError> {
        match self {
            Self::Answer { id, answer } => encode(&Answer::new(*id, answer), limits, out),
            Self::Cancelled { call } => {
                let params = CancelledParams { call: *call };
                encode(
                    &Call::notice("notifications/cancelled", params),
                    limits,
                    out,
                )
            }
            Self::Ignored { method } => encode(&Call::notice(method, Nothing {}), limits, out),
            Self::Refused { id, error } => {
                encode(&Answer::new(*id, &Err(error.clone())), limits, out)
            }
            Self::Request { id, request } => request.encode(*id, limits, out),
        }
    }
}

impl HostRequest {
    /// Returns the method's name.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::CallTool(_) => "tools/call",
            Self::Drain => "keyway/drain",
            Self::Migrate(_) => "keyway/migrate",
            Self::Ping => "keyway/ping",
            Self::Register { .. } => "keyway/register",
            Self::RunHook { .. } => "hooks/run",
            Self::Shutdown => "keyway/shutdown",
            Self::Start => "keyway/start",
        }
    }

    fn read(method: &str, params: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match method {
            "tools/call" => Self::CallTool(ToolCall::read(params)?),
            "keyway/drain" => Self::Drain,
            "keyway/migrate" => Self::Migrate(serde_json::from_str(params)?),
            "keyway/ping" => Self::Ping,
            "keyway/register" => {
                let RegisterParams { manifest, settings } = serde_json::from_str(params)?;
                Self::Register { manifest, settings }
            }
            "hooks/run" => {
                let HookParams { hook, event } = serde_json::from_str(params)?;
                Self::RunHook { hook, event }
            }
            "keyway/shutdown" => Self::Shutdown,
            "keyway/start" => Self::Start,
            _ => return Ok(None),
        }))
    }

    fn encode(
        &self,
        id: HostRequestId,
        limits: ChannelLimits,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let method = self.method();
        match self {
            Self::CallTool(call) => encode(&Call::request(id, method, call.params()), limits, out),
            Self::Migrate(migration) => encode(&Call::request(id, method, migration), limits, out),
            Self::Register { manifest, settings } => {
                let params = RegisterParams { manifest, settings };
                encode(&Call::request(id, method, params), limits, out)
            }
            Self::RunHook { hook, event } => {
                let params = HookParams { hook: *hook, event };
                encode(&Call::request(id, method, params), limits, out)
            }
            Self::Drain | Self::Ping | Self::Shutdown | Self::Start => {
                encode(&Call::request(id, method, Nothing {}), limits, out)
            }
        }
    }
}

impl From<ToolParams<'_>> for ToolCall {
    fn from(params: ToolParams<'_>) -> Self {
        let call = params.meta.call;
        Self {
            name: params.name.into_owned(),
            arguments: params.arguments.to_owned(),
            call: call.call,
            deadline_ms: call.deadline_ms,
            caller: call.caller.into_owned(),
        }
    }
}

impl ToolCall {
    fn read(params: &str) -> serde_json::Result<Self> {
        serde_json::from_str::<ToolParams<'_>>(params).map(Self::from)
    }

    fn params(&self) -> ToolParams<'_> {
        ToolParams {
            name: Cow::Borrowed(&self.name),
            arguments: &self.arguments,
            meta: Meta {
                call: CallMeta {
                    call: self.call,
                    deadline_ms: self.deadline_ms,
                    caller: Cow::Borrowed(&self.caller),
                },
            },
        }
    }
}

pub(super) fn again(method: &str) -> ProtocolError {
    ProtocolError::HandshakeAgain {
        method: method.to_owned(),
    }
}

pub(super) fn unknown_method(method: &str) -> RpcError {
    let shown: String = method
        .chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect();
    RpcError::refused(
        Refusal::UnknownMethod,
        format!("there is no method `{shown}`"),
    )
}

pub(super) fn bad_params(method: &str, problem: &serde_json::Error) -> RpcError {
    RpcError::refused(
        Refusal::InvalidParams,
        format!("the parameters do not fit `{method}`: {problem}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the short way against the long one, which takes every line.
    #[track_caller]
    fn check(line: &str, is_plain: bool) {
        let plain = FromHost::plain_call(line);
        assert_eq!(plain.is_some(), is_plain, "{line}");
        if let Some(plain) = plain {
            let long = FromHost::parse_any(line).unwrap();
            assert_eq!(format!("{plain:?}"), format!("{long:?}"), "{line}");
        }
    }

    #[test]
    fn a_call_is_the_same_message_whichever_way_it_is_read() {
        let meta = r#""_meta":{"dev.keyway/call":{"call":7,"caller":"a/b/c"}}"#;
        let line = |id: &str, params: &str, more: &str| {
            let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call""#);
            format!(r#"{head},"params":{{{params}}}{more}}}"#)
        };
        let named = format!(r#""name":"s\u0065arch","arguments":{{"a":[1.50,null]}},{meta}"#);
        check(&line("5", &named, ""), true);
        check(
            &line("5", &format!(r#""name":"x",{meta},"new":{{}}"#), ""),
            true,
        );
        let turned = format!(
            r#"{{"params":{{{meta},"name":"x"}}, "method":"tools\u002fcall","id":5,"jsonrpc":"2.0"}}"#
        );
        check(&turned, false);
        check(&turned.replace("\\u002f", "/"), true);
        for odd in ["\"p1\"", "05", "-1", "0", "null", "1.0"] {
            check(&line(odd, &named, ""), false);
        }
        for more in [
            r#","result":{}"#,
            r#","error":null"#,
            r#","new":1"#,
            r#","id":6"#,
        ] {
            check(&line("5", &named, more), false);
        }
        check(&line("5", r#""name":"x""#, ""), false);
        check(&line("5", &format!(r#""name":5,{meta}"#), ""), false);
        check(&line("5", &named, "").replace("2.0", "1.0"), false);
        let quoted =
            r#"{"jsonrpc":"2.0","id":5,"method":"keyway/ping","params":{"a":"tools/call"}}"#;
        check(quoted, false);
    }
}
