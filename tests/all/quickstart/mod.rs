//! Behaviour of the examples, as somebody sees it who runs them.

mod bench;
mod chat_server;
mod embed;
pub(crate) mod endpoint;
mod program;
