//! Typed messages of the protocol, both directions.
//!
//! [`FromHost`] is what a host sends, [`FromPlugin`] what a plugin sends. Each is parsed from one
//! line and written as one line. Arguments and results stay raw JSON text: they are looked at
//! where they are used.
//!
//! The four lines of the handshake are in [`handshake`](crate::handshake); afterwards each of them
//! breaks the protocol.

mod bytes;
mod effect;
mod envelope;
mod error;
mod from_host;
mod from_plugin;
mod id;
mod output;
mod plain;
mod register;
mod reply;

pub use error::{ProtocolError, Refusal, RpcError};
pub use from_host::{FromHost, HostRequest, ToolCall};
pub use from_plugin::FromPlugin;
pub use id::{HostRequestId, PluginRequestId};
pub use output::{
    Pong, StateMigration, done, encode_output, output_from_result, output_to_result, parse_result,
    verdict_from_result, verdict_to_result,
};
pub use plain::ToolCallRef;
pub use register::{HookRegistration, Registration};
pub use reply::ReplyShape;

/// A result of a request, as it travels: raw JSON, or the error that came instead.
pub type RawAnswer = Result<Box<serde_json::value::RawValue>, RpcError>;
