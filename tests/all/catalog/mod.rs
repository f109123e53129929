//! The catalog: decisions, the file they are kept in, and the states of a lifecycle.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests break files on purpose"
)]

mod approve;
mod basics;
mod clock;
mod configure;
mod corrupt;
mod crash;
mod faults;
mod journal;
mod kill;
mod layout;
mod lifecycle;
mod many;
mod model;
mod needs;
mod reload;
mod revoke;
mod slots;
mod store;
mod support;
mod walk;
