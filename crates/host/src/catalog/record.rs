//! What keyway keeps in the catalog beyond source 002. Everything here is left out while empty.

use std::collections::{BTreeMap, BTreeSet};

use keyway_plugin_api::{AgentId, Capability, PluginId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::candidate::{Candidate, Declaration};
use super::grant::Grant;
use super::permission::{CallApproval, ToolRule};
use crate::digest::Digest;
use crate::operator::OperatorId;
use crate::rank::Trust;
use crate::scope::Scope;

/// What the host knows about a plugin's authority, as far as it is durable.
///
/// An entry that carries no word about it came from a file in the layout of source 002: it has
/// nothing to run and asks for nothing, so it stands as approved and can do nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Authority {
    /// An operator or the settlement for harmless plugins said yes.
    #[default]
    Approved,
    /// An operator said no; it may be approved later.
    Denied,
    /// An operator has to look at it.
    PendingApproval,
    /// Never again under this id, until an operator clears the revocation.
    Revoked,
}

impl Authority {
    /// Returns the name as files and the CLI write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::PendingApproval => "pending_approval",
            Self::Revoked => "revoked",
        }
    }
}

/// What keyway keeps about one plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct EntryRecord {
    /// How far its source is believed.
    #[serde(skip_serializing_if = "is_default")]
    pub trust: Trust,
    /// Where it applies.
    #[serde(skip_serializing_if = "Scope::is_everywhere")]
    pub scope: Scope,
    /// Whether it may run.
    #[serde(skip_serializing_if = "is_default")]
    pub authority: Authority,
    /// Whether approval shall enable it too.
    #[serde(skip_serializing_if = "is_default")]
    pub wants_enabled: bool,
    /// What it declares, as last accepted.
    #[serde(skip_serializing_if = "Declaration::is_default")]
    pub declared: Declaration,
    /// Who approved which bytes, when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRecord>,
    /// What operators allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// What operators refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// What operators set, as the plugin's schema of settings has it; empty where they left it to
    /// the embedder.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// Why it is not enabled, where that is not what an operator asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// Which plugin took its slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub displaced_by: Option<PluginId>,
    /// Versions that crashed on probation; none of them is taken in again.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub rejected: BTreeSet<Digest>,
    /// A new version that an operator has to look at, while this one goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_update: Option<Box<PendingUpdate>>,
    /// Fields this version does not know; kept as they were.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl EntryRecord {
    pub(super) fn is_default(&self) -> bool {
        is_default(self)
    }
}

/// Who approved which bytes, when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApprovalRecord {
    /// The operator.
    pub by: OperatorId,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The bytes that were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// One request that an operator refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Refusal {
    /// What was refused.
    pub capability: Capability,
    /// Who refused it.
    pub by: OperatorId,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A new version that widens or changes what was approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PendingUpdate {
    /// The new version.
    pub candidate: Candidate,
    /// What it changes, one readable line each.
    pub diff: Vec<String>,
    /// Unix time when it arrived, in milliseconds.
    pub at_ms: i64,
}

/// What keyway keeps about the catalog as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CatalogRecord {
    /// Number of changes so far.
    #[serde(skip_serializing_if = "is_default")]
    pub revision: u64,
    /// The latest time any change was made at, in milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub clock_high_water_ms: i64,
    /// Revoked plugins; survives uninstalling them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revocations: BTreeMap<PluginId, Revocation>,
    /// Which optional tools are shown and which are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_rules: Vec<ToolRule>,
    /// What agents asked operators to install.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub proposals: BTreeMap<String, Proposal>,
    /// Calls that wait for an operator, and the answers that are not used up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub call_approvals: BTreeMap<String, CallApproval>,
    /// Fields this version does not know; kept as they were.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl CatalogRecord {
    pub(super) fn is_default(&self) -> bool {
        is_default(self)
    }
}

/// A revocation: who ended a plugin for good, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Revocation {
    /// The operator.
    pub by: OperatorId,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// Why.
    pub reason: String,
    /// The bytes that were installed at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The grants it took away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
}

/// A plugin that an agent would like to have (settlement 24).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Proposal {
    /// Where the plugin would come from, in the agent's words.
    pub source: String,
    /// Why, in the agent's words.
    pub why: String,
    /// The agent.
    pub by: AgentId,
    /// Unix time in milliseconds.
    pub at_ms: i64,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
