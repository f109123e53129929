//! The host's replies to requests for effects.

use keyway_plugin_api::{
    EffectReply, EffectRequest, FileStat, HttpResponse, SecretValue, ToolError,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RawAnswer;
use super::bytes::{Base64, Bytes};
use super::error::{ProtocolError, RpcError};
use super::output::{parse_result, raw_answer};

/// What the reply to an effect looks like. The asking end keeps it until the reply comes.
///
/// ```
/// use keyway_channel::message::ReplyShape;
/// use keyway_plugin_api::{EffectReply, EffectRequest};
/// let shape = ReplyShape::of(&EffectRequest::StateGet { key: "n".into() });
/// let reply = EffectReply::Bytes(Some(b"3".to_vec()));
/// let result = shape.write(Ok(&reply)).unwrap();
/// assert_eq!(result.get(), r#"{"value":"Mw=="}"#);
/// assert_eq!(shape.read(&result)?, reply);
/// # Ok::<(), keyway_channel::message::ProtocolError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyShape {
    /// `{}`.
    Done,
    /// `{"bytes":base64}`.
    File,
    /// `{"status","headers","body":base64}`.
    Http,
    /// `{"keys":[…]}`.
    Keys,
    /// `{"names":[…]}`.
    Names,
    /// `{"output":…}`.
    Output,
    /// `{"value":"…"}`, a secret.
    Secret,
    /// `{"is_directory","bytes"}`.
    Stat,
    /// `{"swapped":…}`.
    Swapped,
    /// `{"value":base64|null}`.
    Value,
}

#[derive(Deserialize)]
struct BytesIn {
    bytes: Bytes,
}

#[derive(Serialize)]
struct BytesOut<'a> {
    bytes: Base64<'a>,
}

#[derive(Deserialize)]
struct ValueIn {
    value: Option<Bytes>,
}

#[derive(Serialize)]
struct ValueOut<'a> {
    value: Option<Base64<'a>>,
}

#[derive(Deserialize)]
struct HttpIn {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Bytes,
}

#[derive(Serialize)]
struct HttpOut<'a> {
    status: u16,
    headers: &'a [(String, String)],
    body: Base64<'a>,
}

#[derive(Serialize, Deserialize)]
struct Keys<T> {
    keys: T,
}

#[derive(Serialize, Deserialize)]
struct Names<T> {
    names: T,
}

#[derive(Serialize, Deserialize)]
struct Output<T> {
    output: T,
}

#[derive(Serialize, Deserialize)]
struct SecretText<T> {
    value: T,
}

#[derive(Serialize, Deserialize)]
struct Swapped {
    swapped: bool,
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

impl ReplyShape {
    /// Returns the shape of the reply to a request.
    #[must_use]
    pub fn of(effect: &EffectRequest) -> Self {
        use EffectRequest as R;
        match effect {
            R::CallTool { .. } => Self::Output,
            R::FsList { .. } => Self::Names,
            R::FsRead { .. } => Self::File,
            R::FsStat { .. } => Self::Stat,
            R::HttpFetch { .. } => Self::Http,
            R::SecretRead { .. } => Self::Secret,
            R::StateCas { .. } => Self::Swapped,
            R::StateGet { .. } => Self::Value,
            R::StateList { .. } => Self::Keys,
            _ => Self::Done,
        }
    }

    /// Reads the result of a request of this shape.
    ///
    /// # Errors
    /// [`ProtocolError::Invalid`] when the result has another shape.
    pub fn read(self, result: &RawValue) -> Result<EffectReply, ProtocolError> {
        Ok(match self {
            Self::Done => {
                let Nothing {} = parse_result(result)?;
                EffectReply::Done
            }
            Self::File => EffectReply::Bytes(Some(parse_result::<BytesIn>(result)?.bytes.0)),
            Self::Http => {
                let read: HttpIn = parse_result(result)?;
                EffectReply::Http(HttpResponse {
                    status: read.status,
                    headers: read.headers,
                    body: read.body.0,
                })
            }
            Self::Keys => EffectReply::Names(parse_result::<Keys<_>>(result)?.keys),
            Self::Names => EffectReply::Names(parse_result::<Names<_>>(result)?.names),
            Self::Output => {
                let read: Output<Box<RawValue>> = parse_result(result)?;
                EffectReply::Output(Box::<str>::from(read.output).into_string())
            }
            Self::Secret => {
                let read: SecretText<String> = parse_result(result)?;
                EffectReply::Secret(SecretValue::new(read.value))
            }
            Self::Stat => EffectReply::Stat(parse_result::<FileStat>(result)?),
            Self::Swapped => EffectReply::Swapped(parse_result::<Swapped>(result)?.swapped),
            Self::Value => {
                let read: ValueIn = parse_result(result)?;
                EffectReply::Bytes(read.value.map(|bytes| bytes.0))
            }
        })
    }

    /// Writes what came of a request of this shape. A reply of another kind becomes an error.
    ///
    /// # Errors
    /// The error to answer with; it is no fault of the caller.
    pub fn write(self, outcome: Result<&EffectReply, &ToolError>) -> RawAnswer {
        let reply = outcome.map_err(RpcError::tool)?;
        match (self, reply) {
            (Self::Done, EffectReply::Done) => raw_answer(&Nothing {}),
            (Self::File, EffectReply::Bytes(Some(bytes))) => raw_answer(&BytesOut {
                bytes: Base64(bytes),
            }),
            (Self::Http, EffectReply::Http(response)) => raw_answer(&HttpOut {
                status: response.status,
                headers: &response.headers,
                body: Base64(&response.body),
            }),
            (Self::Keys, EffectReply::Names(keys)) => raw_answer(&Keys { keys }),
            (Self::Names, EffectReply::Names(names)) => raw_answer(&Names { names }),
            (Self::Output, EffectReply::Output(json)) => {
                let output: &RawValue = serde_json::from_str(json).map_err(unwritable)?;
                raw_answer(&Output { output })
            }
            (Self::Secret, EffectReply::Secret(secret)) => raw_answer(&SecretText {
                value: secret.expose(),
            }),
            (Self::Stat, EffectReply::Stat(stat)) => raw_answer(stat),
            (Self::Swapped, EffectReply::Swapped(swapped)) => {
                raw_answer(&Swapped { swapped: *swapped })
            }
            (Self::Value, EffectReply::Bytes(bytes)) => raw_answer(&ValueOut {
                value: bytes.as_deref().map(Base64),
            }),
            _ => Err(RpcError::tool(&ToolError::internal(
                "the host has a reply of another kind; bug in the host",
            ))),
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape `map_err` asks for"
)]
fn unwritable(error: serde_json::Error) -> RpcError {
    RpcError::tool(&ToolError::internal(format!(
        "the output is not JSON: {error}"
    )))
}
