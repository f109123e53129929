//! Behaviour of the examples, as somebody sees it who runs them.

mod bench;
mod chat_server;
mod embed;
mod endpoint;
mod program;
