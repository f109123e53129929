//! The states of a plugin's authority, and the only ways from one to another.

mod matrix;
mod states;

pub use matrix::{LifecycleState, TransitionError};
pub use states::{
    Approved, Denied, DigestMismatch, Discovered, Failed, PendingApproval, Refused, Revoked,
    Running, Stopped, Validated,
};
