//! Requests for effects: plain data on one side, `host/…` methods on the other.

use keyway_plugin_api::{EffectRequest, LogLevel};
use serde::de::DeserializeOwned;
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::bytes::{Base64, Bytes};

/// An effect with the call that it belongs to; written as a method's parameters.
pub(super) struct Requested<E> {
    pub(super) call: Option<u64>,
    pub(super) effect: E,
}

/// The parameters of the methods, as they are read.
#[derive(Deserialize)]
struct Path {
    path: String,
}

#[derive(Deserialize)]
struct PathBytes {
    path: String,
    bytes: Bytes,
}

#[derive(Deserialize)]
struct Fetch {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<Bytes>,
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
struct Put {
    key: String,
    value: Bytes,
}

#[derive(Deserialize)]
struct Cas {
    key: String,
    #[serde(default)]
    expected: Option<Bytes>,
    value: Bytes,
}

#[derive(Deserialize)]
struct Prefix {
    #[serde(default)]
    prefix: String,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Tool {
    tool: String,
    arguments: Box<RawValue>,
}

#[derive(Deserialize)]
struct Line {
    level: LogLevel,
    message: String,
}

#[derive(Deserialize)]
struct Step {
    done: u64,
    #[serde(default)]
    total: Option<u64>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Deserialize)]
struct OfCall {
    #[serde(default)]
    call: Option<u64>,
}

/// Returns the method that asks for an effect; `None` for one that this version cannot send.
pub(super) fn method_of(effect: &EffectRequest) -> Option<&'static str> {
    use EffectRequest as R;
    Some(match effect {
        R::CallTool { .. } => "host/tools.call",
        R::FsList { .. } => "host/fs.list",
        R::FsRead { .. } => "host/fs.read",
        R::FsRemove { .. } => "host/fs.remove",
        R::FsStat { .. } => "host/fs.stat",
        R::FsWrite { .. } => "host/fs.write",
        R::HttpFetch { .. } => "host/http.fetch",
        R::Log { .. } => "host/log",
        R::Progress { .. } => "host/progress",
        R::SecretRead { .. } => "host/secrets.read",
        R::StateCas { .. } => "host/state.cas",
        R::StateDelete { .. } => "host/state.delete",
        R::StateGet { .. } => "host/state.get",
        R::StateList { .. } => "host/state.list",
        R::StatePut { .. } => "host/state.put",
        _ => return None,
    })
}

/// Reads the parameters of a method; `None` for a method that there is not.
pub(super) fn read_effect(
    method: &str,
    params: &str,
) -> serde_json::Result<Option<Requested<EffectRequest>>> {
    let Some(effect) = read_params(method, params)? else {
        return Ok(None);
    };
    let OfCall { call } = serde_json::from_str(params)?;
    Ok(Some(Requested { call, effect }))
}

fn read_params(method: &str, params: &str) -> serde_json::Result<Option<EffectRequest>> {
    use EffectRequest as R;
    Ok(Some(match method {
        "host/fs.list" => read(params, |Path { path }| R::FsList { path })?,
        "host/fs.read" => read(params, |Path { path }| R::FsRead { path })?,
        "host/fs.remove" => read(params, |Path { path }| R::FsRemove { path })?,
        "host/fs.stat" => read(params, |Path { path }| R::FsStat { path })?,
        "host/fs.write" => read(params, |p: PathBytes| R::FsWrite {
            path: p.path,
            bytes: p.bytes.0,
        })?,
        "host/http.fetch" => read(params, |p: Fetch| R::HttpFetch {
            method: p.method,
            url: p.url,
            headers: p.headers,
            body: p.body.map(|body| body.0),
        })?,
        "host/log" => read(params, |Line { level, message }| R::Log { level, message })?,
        "host/progress" => read(params, |p: Step| R::Progress {
            done: p.done,
            total: p.total,
            message: p.message,
        })?,
        "host/secrets.read" => read(params, |Name { name }| R::SecretRead { name })?,
        "host/state.cas" => read(params, |p: Cas| R::StateCas {
            key: p.key,
            expected: p.expected.map(|bytes| bytes.0),
            value: p.value.0,
        })?,
        "host/state.delete" => read(params, |Key { key }| R::StateDelete { key })?,
        "host/state.get" => read(params, |Key { key }| R::StateGet { key })?,
        "host/state.list" => read(params, |Prefix { prefix }| R::StateList { prefix })?,
        "host/state.put" => read(params, |p: Put| R::StatePut {
            key: p.key,
            value: p.value.0,
        })?,
        "host/tools.call" => read(params, |p: Tool| R::CallTool {
            tool: p.tool,
            arguments: Box::<str>::from(p.arguments).into_string(),
        })?,
        _ => return Ok(None),
    }))
}

fn read<P: DeserializeOwned>(
    params: &str,
    make: impl FnOnce(P) -> EffectRequest,
) -> serde_json::Result<EffectRequest> {
    serde_json::from_str(params).map(make)
}

impl Serialize for Requested<&EffectRequest> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut params = s.serialize_map(None)?;
        if let Some(call) = self.call {
            params.serialize_entry("call", &call)?;
        }
        write_params(self.effect, &mut params)?;
        params.end()
    }
}

fn write_params<M: SerializeMap>(effect: &EffectRequest, params: &mut M) -> Result<(), M::Error> {
    use EffectRequest as R;
    match effect {
        R::CallTool { tool, arguments } => {
            let arguments: &RawValue = serde_json::from_str(arguments).map_err(M::Error::custom)?;
            params.serialize_entry("tool", tool)?;
            params.serialize_entry("arguments", arguments)
        }
        R::FsList { path } | R::FsRead { path } | R::FsRemove { path } | R::FsStat { path } => {
            params.serialize_entry("path", path)
        }
        R::FsWrite { path, bytes } => {
            params.serialize_entry("path", path)?;
            params.serialize_entry("bytes", &Base64(bytes))
        }
        R::HttpFetch {
            method,
            url,
            headers,
            body,
        } => {
            params.serialize_entry("method", method)?;
            params.serialize_entry("url", url)?;
            params.serialize_entry("headers", headers)?;
            params.serialize_entry("body", &body.as_deref().map(Base64))
        }
        R::Log { level, message } => {
            params.serialize_entry("level", level)?;
            params.serialize_entry("message", message)
        }
        R::Progress {
            done,
            total,
            message,
        } => {
            params.serialize_entry("done", done)?;
            params.serialize_entry("total", total)?;
            params.serialize_entry("message", message)
        }
        R::SecretRead { name } => params.serialize_entry("name", name),
        R::StateCas {
            key,
            expected,
            value,
        } => {
            params.serialize_entry("key", key)?;
            params.serialize_entry("expected", &expected.as_deref().map(Base64))?;
            params.serialize_entry("value", &Base64(value))
        }
        R::StateDelete { key } | R::StateGet { key } => params.serialize_entry("key", key),
        R::StateList { prefix } => params.serialize_entry("prefix", prefix),
        R::StatePut { key, value } => {
            params.serialize_entry("key", key)?;
            params.serialize_entry("value", &Base64(value))
        }
        _ => Err(M::Error::custom(
            "this version has no method for the effect",
        )),
    }
}
