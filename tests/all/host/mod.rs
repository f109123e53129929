//! Behaviour of: the host as a whole, from building to a governed call.

mod allocations;
mod calls;
pub(crate) mod plugins;
mod teardown_first;
