//! The command `keyway`, run as its operators run it.

mod authority;
mod bench;
mod catalog;
mod failures;
mod hostile;
mod lookup;
mod shapes;
mod source;
mod state;
