//! Behaviour of: gate.

mod boot;
mod matrix;
