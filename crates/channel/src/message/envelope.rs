//! The JSON-RPC 2.0 envelope, taken off and put on.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{ProtocolError, RpcError};

/// Text that is borrowed from the line wherever it has no escapes. Inside an `Option` a bare `Cow`
/// would always be copied.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A line with its envelope read and its content untouched.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<RpcError>,
}

/// What kind of line it is. Ids are raw JSON: each direction reads its own kind.
pub(crate) enum Opened<'a> {
    Answer {
        id: &'a str,
        answer: Result<&'a RawValue, RpcError>,
    },
    Notice {
        method: Cow<'a, str>,
        params: &'a str,
    },
    Request {
        id: &'a str,
        method: Cow<'a, str>,
        params: &'a str,
    },
}

/// Takes the envelope off one line.
pub(crate) fn open(line: &str) -> Result<Opened<'_>, ProtocolError> {
    let envelope: Envelope<'_> = serde_json::from_str(line).map_err(|e| ProtocolError::Json {
        problem: e.to_string(),
    })?;
    let version = envelope.jsonrpc.map(|Text(version)| version);
    if version.as_deref() != Some("2.0") {
        return Err(invalid("`jsonrpc` is not \"2.0\""));
    }
    let id = envelope.id.map(RawValue::get);
    let params = envelope.params.map_or("{}", RawValue::get);
    let method = envelope.method.map(|Text(method)| method);
    match (id, method, envelope.result, envelope.error) {
        (Some(id), Some(method), None, None) => Ok(Opened::Request { id, method, params }),
        (None, Some(method), None, None) => Ok(Opened::Notice { method, params }),
        (Some(id), None, Some(result), None) => Ok(Opened::Answer {
            id,
            answer: Ok(result),
        }),
        (Some(id), None, None, Some(error)) => Ok(Opened::Answer {
            id,
            answer: Err(error),
        }),
        _ => Err(invalid(
            "is neither a request, a notification nor an answer",
        )),
    }
}

pub(crate) fn invalid(problem: impl Into<String>) -> ProtocolError {
    ProtocolError::Invalid {
        problem: problem.into(),
    }
}

/// A request or, without an id, a notification, ready to be written.
#[derive(Serialize)]
pub(crate) struct Call<'a, I, P> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<I>,
    method: &'a str,
    params: P,
}

impl<'a, I, P> Call<'a, I, P> {
    pub(crate) fn request(id: I, method: &'a str, params: P) -> Self {
        let id = Some(id);
        Self {
            jsonrpc: "2.0",
            id,
            method,
            params,
        }
    }
}

impl<'a, P> Call<'a, u64, P> {
    pub(crate) fn notice(method: &'a str, params: P) -> Self {
        Self {
            jsonrpc: "2.0",
            id: None,
            method,
            params,
        }
    }
}

/// An answer, ready to be written.
#[derive(Serialize)]
pub(crate) struct Answer<'a, I, R> {
    jsonrpc: &'static str,
    id: I,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RpcError>,
}

impl<'a, I> Answer<'a, I, &'a RawValue> {
    pub(crate) fn new(id: I, answer: &'a super::RawAnswer) -> Self {
        match answer {
            Ok(result) => Answer::of(id, Ok(&**result)),
            Err(error) => Answer::of(id, Err(error)),
        }
    }
}

impl<'a, I, R> Answer<'a, I, R> {
    /// Makes an answer of a result that need not be written down before.
    pub(crate) fn of(id: I, answer: Result<R, &'a RpcError>) -> Self {
        let (result, error) = match answer {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            jsonrpc: "2.0",
            id,
            result,
            error,
        }
    }
}
