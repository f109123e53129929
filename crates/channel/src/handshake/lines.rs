//! The four lines as they are written.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{HandshakeError, Step};
use super::keys::{Nonce, Tag};
use super::offer::{Answered, ContentDigest, Offer};
use crate::frame::encode;
use crate::limits::ChannelLimits;
use crate::message::RpcError;

pub(super) const HELLO: &str = "keyway/hello";
pub(super) const PROVE: &str = "keyway/prove";
pub(super) const READY: &str = "keyway/ready";

/// The id of the hello.
pub(super) const HELLO_ID: u64 = 1;

/// Any of the lines: what it lacks tells which it is.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<P, R> {
    pub(super) jsonrpc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(default = "nothing", skip_serializing_if = "Option::is_none")]
    pub(super) params: Option<P>,
    #[serde(default = "nothing", skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<R>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<RpcError>,
}

fn nothing<T>() -> Option<T> {
    None
}

/// A place that stays empty.
#[derive(Serialize, Deserialize)]
pub(super) struct Never {}

#[derive(Serialize, Deserialize)]
pub(super) struct HelloParams {
    #[serde(flatten)]
    pub(super) offer: Offer,
    pub(super) nonce: Nonce,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AnswerResult {
    #[serde(flatten)]
    pub(super) answered: Answered,
    pub(super) nonce: Nonce,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ProveParams {
    pub(super) mac: Tag,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ReadyParams {
    pub(super) mac: Tag,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tools_expected: Option<ContentDigest>,
}

pub(super) type HelloLine = Line<HelloParams, Never>;
pub(super) type AnswerLine = Line<Never, AnswerResult>;
pub(super) type ProveLine = Line<ProveParams, Never>;
pub(super) type ReadyLine = Line<ReadyParams, Never>;

impl<P> Line<P, Never> {
    pub(super) fn call(id: Option<u64>, method: &str, params: P) -> Self {
        Self {
            jsonrpc: "2.0".to_owned(),
            id,
            method: Some(method.to_owned()),
            params: Some(params),
            result: None,
            error: None,
        }
    }

    /// Takes the parameters out when the line is this very call.
    pub(super) fn into_params(
        self,
        step: Step,
        id: Option<u64>,
        method: &str,
    ) -> Result<P, HandshakeError> {
        let is_it = self.jsonrpc == "2.0"
            && self.id == id
            && self.method.as_deref() == Some(method)
            && self.result.is_none()
            && self.error.is_none();
        match self.params {
            Some(params) if is_it => Ok(params),
            _ => Err(HandshakeError::malformed(
                step,
                format!("it is not `{method}`"),
            )),
        }
    }
}

impl<R> Line<Never, R> {
    pub(super) fn answer(answer: Result<R, RpcError>) -> Self {
        let (result, error) = match answer {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            jsonrpc: "2.0".to_owned(),
            id: Some(HELLO_ID),
            method: None,
            params: None,
            result,
            error,
        }
    }
}

/// Reads one line of the handshake.
pub(super) fn read<T: DeserializeOwned>(step: Step, line: &str) -> Result<T, HandshakeError> {
    serde_json::from_str(line).map_err(|e| HandshakeError::malformed(step, e.to_string()))
}

/// Writes one line of the handshake, without its line feed.
pub(super) fn write<T: Serialize>(step: Step, line: &T) -> Result<String, HandshakeError> {
    let mut out = Vec::new();
    encode(line, ChannelLimits::default(), &mut out)
        .map_err(|e| HandshakeError::malformed(step, e.to_string()))?;
    out.pop();
    String::from_utf8(out).map_err(|e| HandshakeError::malformed(step, e.to_string()))
}
