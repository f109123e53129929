//! Suites that hold any implementation of the host's traits to its contract.
//!
//! A suite takes a function that makes what it looks at, because most rules need a fresh one. It
//! panics with the rule that does not hold. An implementation that passes can stand in for ours:
//! what the host does on top of it is tested with the same suites.

mod approver;
mod audit;
mod catalog;
mod drafts;
mod gate;
mod registry;
mod runtime;
mod store;

pub use approver::approver;
pub use audit::audit_sink;
pub use catalog::catalog;
pub use gate::capability_gate;
pub use registry::tool_registry;
pub use runtime::{RuntimeFixture, plugin_runtime};
pub use store::catalog_store;
