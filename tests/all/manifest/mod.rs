//! Behaviour of: the manifest and the capability algebra.

mod algebra;
mod capability;
mod compat;
mod fixtures;
mod json;
mod names;
mod problems;
mod schema;
mod updates;
