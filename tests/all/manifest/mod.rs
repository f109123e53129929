//! Behaviour of: the manifest and the capability algebra.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod algebra;
mod capability;
mod compat;
mod fixtures;
mod json;
mod names;
mod problems;
mod schema;
mod updates;
