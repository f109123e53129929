//! What a host sends.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_plugin_api::HookEvent;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RawAnswer;
use super::envelope::{Answer, Call, Opened, invalid, open};
use super::error::{ProtocolError, Refusal, RpcError};
use super::id::{HostRequestId, PluginRequestId};
use super::output::StateMigration;
use super::plain::ToolCallRef;
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
    pub name: Arc<str>,
    /// The arguments, as raw JSON.
    pub arguments: Box<RawValue>,
    /// Number of the call, unique while the host runs.
    pub call: u64,
    /// When the call must have ended, in Unix milliseconds; `i64::MAX` (left out on the wire) for
    /// never.
    pub deadline_ms: i64,
    /// The agent that called, as `organisation/team/agent`.
    pub caller: Arc<str>,
}

#[derive(Deserialize)]
struct ToolParams<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default = "no_arguments")]
    arguments: &'a RawValue,
    #[serde(borrow, rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "dev.keyway/call")]
    call: CallMeta<'a>,
}

#[derive(Deserialize)]
struct CallMeta<'a> {
    call: u64,
    #[serde(default = "never")]
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
        match ToolCallRef::read(line) {
            Some((id, call)) => {
                let request = HostRequest::CallTool(call.into());
                Ok(Self::Request { id, request })
            }
            None => Self::parse_any(line),
        }
    }

    /// Reads any line, a call too, the long way.
    pub(super) fn parse_any(line: &str) -> Result<Self, ProtocolError> {
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

    /// Appends the request to `out` as one line.
    ///
    /// # Errors
    /// [`FrameError`] when the request cannot be sent; `out` is then as it was.
    pub fn encode(
        &self,
        id: HostRequestId,
        limits: ChannelLimits,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let method = self.method();
        match self {
            Self::CallTool(call) => call.borrowed().encode(id, limits, out),
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

impl From<ToolCallRef<'_>> for ToolCall {
    fn from(call: ToolCallRef<'_>) -> Self {
        Self {
            name: call.name.into(),
            arguments: call.arguments.to_owned(),
            call: call.call,
            deadline_ms: call.deadline_ms,
            caller: call.caller.into(),
        }
    }
}

impl ToolCall {
    fn read(params: &str) -> serde_json::Result<Self> {
        let ToolParams {
            name,
            arguments,
            meta: Meta { call },
        } = serde_json::from_str(params)?;
        Ok(Self {
            name: name.into(),
            arguments: arguments.to_owned(),
            call: call.call,
            deadline_ms: call.deadline_ms,
            caller: call.caller.into(),
        })
    }

    /// Returns the call without owning it.
    #[must_use]
    pub fn borrowed(&self) -> ToolCallRef<'_> {
        ToolCallRef {
            name: &self.name,
            arguments: &self.arguments,
            call: self.call,
            deadline_ms: self.deadline_ms,
            caller: &self.caller,
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
