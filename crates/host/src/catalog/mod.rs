//! The durable record of plugins: which there are, what operators decided about them, and what
//! each operation would change.
//!
//! This module decides. It does no I/O, reads no clock and starts nothing: a decision is a
//! [`Plan`], the store below keeps its result, the host around carries it out.

mod candidate;
mod decide;
mod diff;
mod error;
mod grant;
mod layout;
mod live;
mod needs;
mod operation;
mod permission;
mod plan;
mod record;
mod repair;
mod requirement;
mod slots;
mod state;

pub use candidate::{Candidate, Declaration};
pub use decide::decide;
pub(crate) use diff::{in_words, tool_lines};
pub use error::{CatalogError, ReloadStage};
pub use grant::{Approval, Grant, GrantSelection};
pub use live::{Catalog, DurableCatalog};
pub use operation::{Operation, OperationKind, StateDecision};
pub use permission::{
    CallAnswer, CallApproval, CallQuestion, RuleTarget, ToolRule, shows_optional,
};
pub use plan::{CatalogEvent, CatalogOperationResult, EventLevel, Plan, SlotCollision};
pub use record::{
    ApprovalRecord, Authority, CatalogRecord, EntryRecord, PendingUpdate, Proposal, Refusal,
    Revocation,
};
pub use requirement::{Requirement, RequirementError};
pub use state::{CatalogEntry, CatalogState, ManifestSummary, SCHEMA_VERSION};
