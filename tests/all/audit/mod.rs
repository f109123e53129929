//! Behaviour of: audit.

mod chain;
mod crash;
mod mending;
mod redaction;
mod replay;
mod sharing;
mod support;
