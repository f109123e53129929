//! What plugin authors run: `new` writes a plugin that builds and passes its tests, `check`
//! says everything that is wrong with one.
//!
//! `kit` knows what `new` writes for each language, `source` where Rust plugins find our crates,
//! `watch` tells `dev` when a file changes. This module reads and writes files and prints nothing.

pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod kit;
pub(crate) mod new;
pub(crate) mod source;
pub(crate) mod watch;
