//! Behaviour of: audit.

mod chain;
mod crash;
mod redaction;
mod replay;
mod sharing;
mod support;
