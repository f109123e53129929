//! The catalog: decisions, the file they are kept in, and the states of a lifecycle.

mod approve;
mod basics;
mod layout;
mod lifecycle;
mod needs;
mod reload;
mod revoke;
mod slots;
mod support;
