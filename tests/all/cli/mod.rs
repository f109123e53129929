//! The command `keyway`, run as its operators run it.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests write files as others would and wait for the machine's clock"
)]

mod author;
mod author_kit;
mod author_process;
mod authority;
mod bench;
mod calls;
mod catalog;
mod failures;
mod host;
mod hostile;
mod kept;
mod lookup;
mod mistakes;
mod prompt;
mod running;
mod shapes;
mod source;
mod state;
mod tools;
