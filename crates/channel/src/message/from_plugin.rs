//! What a plugin sends.

use keyway_plugin_api::{EffectRequest, ToolOutput};

use super::RawAnswer;
use super::effect::{Requested, method_of, read_effect};
use super::envelope::{Answer, Call, Opened, invalid, open};
use super::error::{ProtocolError, RpcError};
use super::from_host::{again, bad_params, unknown_method};
use super::id::{HostRequestId, PluginRequestId};
use super::plain::read_output;
use crate::frame::{FrameError, encode};
use crate::limits::ChannelLimits;

/// One message of a plugin.
///
/// ```
/// use keyway_channel::message::FromPlugin;
/// use keyway_plugin_api::EffectRequest;
/// let line = r#"{"jsonrpc":"2.0","id":"p1","method":"host/fs.read","params":{"call":17,"path":"a"}}"#;
/// let FromPlugin::Request { call, effect, .. } = FromPlugin::parse(line)? else { unreachable!() };
/// assert_eq!(call, Some(17));
/// assert_eq!(effect, EffectRequest::FsRead { path: "a".into() });
/// # Ok::<(), keyway_channel::message::ProtocolError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FromPlugin {
    /// The answer to a request of the host.
    Answer {
        /// The host's request.
        id: HostRequestId,
        /// Its result, or the error instead.
        answer: RawAnswer,
    },
    /// A notification that this version does not know or cannot read; it is ignored.
    Ignored {
        /// The method.
        method: String,
    },
    /// Says something that needs no answer: [`EffectRequest::Log`] or [`EffectRequest::Progress`].
    Notice {
        /// The call that it belongs to; `None` outside a call.
        call: Option<u64>,
        /// What is said.
        effect: EffectRequest,
    },
    /// A request that cannot be served. The reader sends the error back; the channel goes on.
    Refused {
        /// The request.
        id: PluginRequestId,
        /// What to answer.
        error: RpcError,
    },
    /// A request for an effect; the gate decides.
    Request {
        /// Its number.
        id: PluginRequestId,
        /// The call that it belongs to; `None` for background use.
        call: Option<u64>,
        /// What is asked.
        effect: EffectRequest,
    },
}

impl FromPlugin {
    /// Every method that a plugin sends after the handshake, sorted.
    pub const METHODS: [&str; 15] = [
        "host/fs.list",
        "host/fs.read",
        "host/fs.remove",
        "host/fs.stat",
        "host/fs.write",
        "host/http.fetch",
        "host/log",
        "host/progress",
        "host/secrets.read",
        "host/state.cas",
        "host/state.delete",
        "host/state.get",
        "host/state.list",
        "host/state.put",
        "host/tools.call",
    ];

    /// Reads one line.
    ///
    /// # Errors
    /// [`ProtocolError`], which ends the channel.
    pub fn parse(line: &str) -> Result<Self, ProtocolError> {
        match open(line)? {
            Opened::Answer { id, answer } => {
                let id = HostRequestId::read(id)
                    .ok_or_else(|| invalid("answers an id that is not a positive integer"))?;
                let answer = answer.map(ToOwned::to_owned);
                Ok(Self::Answer { id, answer })
            }
            Opened::Notice { method, params } => Self::notice(&method, params),
            Opened::Request { id, method, params } => {
                let id = PluginRequestId::read(id)
                    .ok_or_else(|| invalid("has an id that is not \"p1\", \"p2\", …"))?;
                Ok(Self::request(id, &method, params))
            }
        }
    }

    /// Reads the answer to a call in one go, in the spelling of [`encode_output`]; `None` for every
    /// other line, which [`FromPlugin::parse`] takes.
    ///
    /// ```
    /// use keyway_channel::message::{FromPlugin, HostRequestId};
    /// let line = r#"{"jsonrpc":"2.0","id":5,"result":{"output":{"kind":"text","text":"owls"}}}"#;
    /// let (id, _owls) = FromPlugin::plain_output(line).unwrap();
    /// assert_eq!(id, HostRequestId(5));
    /// ```
    ///
    /// [`encode_output`]: super::encode_output
    #[must_use]
    pub fn plain_output(line: &str) -> Option<(HostRequestId, ToolOutput)> {
        read_output(line)
    }

    fn notice(method: &str, params: &str) -> Result<Self, ProtocolError> {
        if method == "keyway/prove" {
            return Err(again(method));
        }
        Ok(match read_effect(method, params) {
            Ok(Some(Requested { call, effect })) if is_notice(&effect) => {
                Self::Notice { call, effect }
            }
            _ => Self::Ignored {
                method: method.to_owned(),
            },
        })
    }

    fn request(id: PluginRequestId, method: &str, params: &str) -> Self {
        match read_effect(method, params) {
            Ok(Some(Requested { call, effect })) => Self::Request { id, call, effect },
            Ok(None) => Self::Refused {
                id,
                error: unknown_method(method),
            },
            Err(e) => Self::Refused {
                id,
                error: bad_params(method, &e),
            },
        }
    }

    /// Makes the message that carries an effect: a notification for log and progress, a request
    /// otherwise.
    #[must_use]
    pub fn of_effect(id: PluginRequestId, call: Option<u64>, effect: EffectRequest) -> Self {
        match is_notice(&effect) {
            true => Self::Notice { call, effect },
            false => Self::Request { id, call, effect },
        }
    }

    /// Appends the message to `out` as one line.
    ///
    /// # Errors
    /// [`FrameError`] when the message cannot be sent; `out` is then as it was.
    pub fn encode(&self, limits: ChannelLimits, out: &mut Vec<u8>) -> Result<(), FrameError> {
        match self {
            Self::Answer { id, answer } => encode(&Answer::new(*id, answer), limits, out),
            Self::Ignored { method } => {
                encode(&Call::notice(method, serde_json::Map::new()), limits, out)
            }
            Self::Notice { call, effect } => {
                let (method, params) = params(*call, effect)?;
                encode(&Call::notice(method, params), limits, out)
            }
            Self::Refused { id, error } => {
                encode(&Answer::new(*id, &Err(error.clone())), limits, out)
            }
            Self::Request { id, call, effect } => {
                let (method, params) = params(*call, effect)?;
                encode(&Call::request(id, method, params), limits, out)
            }
        }
    }
}

fn params(
    call: Option<u64>,
    effect: &EffectRequest,
) -> Result<(&'static str, Requested<&EffectRequest>), FrameError> {
    match method_of(effect) {
        Some(method) => Ok((method, Requested { call, effect })),
        None => Err(FrameError::Unwritable {
            problem: "this version has no method for the effect".to_owned(),
        }),
    }
}

/// Tells whether an effect is said rather than asked for.
pub(super) fn is_notice(effect: &EffectRequest) -> bool {
    matches!(
        effect,
        EffectRequest::Log { .. } | EffectRequest::Progress { .. }
    )
}
