//! Behaviour of: the kit for authors and embedders.

mod contracts;
mod harness;
mod plugins;
