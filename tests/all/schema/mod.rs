//! Behaviour of: schema.

mod arguments;
mod bombs;
mod cache;
mod families;
mod hosted;
mod patterns;
mod references;
mod text;
