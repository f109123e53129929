//! What can be done to a catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use keyway_plugin_api::{AgentId, PluginId, ToolName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::candidate::Candidate;
use super::grant::{Approval, Grant};
use super::permission::{CallAnswer, CallQuestion, RuleTarget};
use super::state::CatalogEntry;
use crate::digest::Digest;
use crate::operator::OperatorId;
use crate::scope::Scope;

/// An operation is one change that somebody wants.
///
/// It is data: it can be planned, shown, recorded and replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Operation {
    /// Answers a call that waits.
    AnswerCall {
        /// Which call.
        id: String,
        /// The answer.
        answer: CallAnswer,
    },
    /// Approves what a plugin asks for, or the update it waits with.
    Approve {
        /// Which plugin.
        plugin: PluginId,
        /// By whom, what, for how long.
        approval: Approval,
    },
    /// Records a call that has to wait for an operator.
    AskCall {
        /// The call.
        question: CallQuestion,
    },
    /// Lifts a revocation. The plugin is not approved by that.
    ClearRevocation {
        /// Which plugin.
        plugin: PluginId,
        /// By whom.
        by: OperatorId,
    },
    /// Sets what an operator wants of a plugin, all settings at once. It restarts with them where it
    /// runs.
    Configure {
        /// Which plugin.
        plugin: PluginId,
        /// Its settings; empty to leave them to the embedder.
        settings: Map<String, Value>,
        /// By whom.
        by: OperatorId,
    },
    /// Refuses a plugin, the update it waits with, or some of its requests.
    Deny {
        /// Which plugin.
        plugin: PluginId,
        /// By whom.
        by: OperatorId,
        /// Why.
        reason: Option<String>,
        /// Tags of the requests refused; the whole plugin when empty.
        #[serde(default)]
        tags: BTreeSet<String>,
    },
    /// Switches a plugin off.
    Disable {
        /// Which plugin.
        plugin: PluginId,
        /// Whether to switch off those that need it, too.
        #[serde(default)]
        cascade: bool,
    },
    /// Takes a proposal off the list.
    DropProposal {
        /// Which proposal.
        id: String,
        /// By whom.
        by: OperatorId,
    },
    /// Switches a plugin on.
    Enable {
        /// Which plugin.
        plugin: PluginId,
    },
    /// Removes a rule about optional tools.
    ForgetToolRule {
        /// Which tools the rule is about.
        target: RuleTarget,
        /// The rule's scope.
        scope: Scope,
        /// By whom.
        by: OperatorId,
    },
    /// Adds one grant to an approved plugin.
    GrantOne {
        /// Which plugin.
        plugin: PluginId,
        /// The grant; its time and digest are filled in here.
        grant: Grant,
    },
    /// Puts a plugin into the catalog.
    Install {
        /// The plugin.
        candidate: Box<Candidate>,
    },
    /// Records the definitions that a running plugin registered, or finds them changed.
    PinTools {
        /// Which plugin.
        plugin: PluginId,
        /// Digest of each definition.
        pins: BTreeMap<ToolName, Digest>,
        /// What changed, in words, from whoever has the definitions themselves; without them only
        /// the tools are named.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<String>,
    },
    /// Asks operators for a plugin; the one operation open to agents.
    Propose {
        /// Where it would come from.
        source: String,
        /// Why.
        why: String,
        /// Which agent asks.
        by: AgentId,
    },
    /// Restarts an enabled plugin from its source.
    Reload {
        /// Which plugin.
        plugin: PluginId,
        /// The plugin as its source is now.
        candidate: Box<Candidate>,
    },
    /// Ends a plugin for good.
    Revoke {
        /// Which plugin.
        plugin: PluginId,
        /// By whom.
        by: OperatorId,
        /// Why.
        reason: String,
    },
    /// Takes grants away.
    RevokeGrant {
        /// Which plugin.
        plugin: PluginId,
        /// Tag of the grants.
        tag: String,
        /// By whom.
        by: OperatorId,
    },
    /// Puts the version from before back, after a new one crashed on probation. The host's own.
    RollBack {
        /// Which plugin.
        plugin: PluginId,
        /// The version from before; grants that were taken back since stay taken back.
        to: Box<CatalogEntry>,
        /// Why.
        reason: String,
    },
    /// Sets where a plugin applies.
    SetScope {
        /// Which plugin.
        plugin: PluginId,
        /// Where.
        scope: Scope,
        /// By whom.
        by: OperatorId,
    },
    /// Shows or hides optional tools.
    SetToolRule {
        /// Which tools.
        target: RuleTarget,
        /// Whether to show them.
        allow: bool,
        /// Callers that it holds for.
        scope: Scope,
        /// By whom.
        by: OperatorId,
    },
    /// Takes one use off an answered call.
    SpendCall {
        /// Which call.
        id: String,
    },
    /// Takes one use off a grant that allows something to a caller.
    SpendGrant {
        /// Which plugin.
        plugin: PluginId,
        /// Tag of what was used.
        tag: String,
        /// Where the caller stands.
        caller: Scope,
    },
    /// Drops what has expired, so that it stays expired whatever the clock does.
    Sweep,
    /// Removes a plugin.
    Uninstall {
        /// Which plugin.
        plugin: PluginId,
        /// Whether to remove those that need it, too.
        #[serde(default)]
        cascade: bool,
        /// What becomes of its state; needed where it owns some.
        #[serde(default)]
        state: Option<StateDecision>,
    },
    /// Replaces a plugin's version, enabled or not.
    Update {
        /// Which plugin.
        plugin: PluginId,
        /// The new version.
        candidate: Box<Candidate>,
    },
}

/// What becomes of the state of a plugin that is removed (settlement 26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateDecision {
    /// It is deleted.
    Discard,
    /// It is exported, then deleted.
    Export,
    /// It stays where it is, for a later installation.
    Keep,
}

/// The name of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OperationKind {
    /// [`Operation::AnswerCall`].
    AnswerCall,
    /// [`Operation::Approve`].
    Approve,
    /// [`Operation::AskCall`].
    AskCall,
    /// [`Operation::ClearRevocation`].
    ClearRevocation,
    /// [`Operation::Configure`].
    Configure,
    /// [`Operation::Deny`].
    Deny,
    /// [`Operation::Disable`].
    Disable,
    /// [`Operation::DropProposal`].
    DropProposal,
    /// [`Operation::Enable`].
    Enable,
    /// [`Operation::ForgetToolRule`].
    ForgetToolRule,
    /// [`Operation::GrantOne`].
    GrantOne,
    /// [`Operation::Install`].
    Install,
    /// [`Operation::PinTools`].
    PinTools,
    /// [`Operation::Propose`].
    Propose,
    /// [`Operation::Reload`].
    Reload,
    /// [`Operation::Revoke`].
    Revoke,
    /// [`Operation::RevokeGrant`].
    RevokeGrant,
    /// [`Operation::RollBack`].
    RollBack,
    /// [`Operation::SetScope`].
    SetScope,
    /// [`Operation::SetToolRule`].
    SetToolRule,
    /// [`Operation::SpendCall`].
    SpendCall,
    /// [`Operation::SpendGrant`].
    SpendGrant,
    /// [`Operation::Sweep`].
    Sweep,
    /// [`Operation::Uninstall`].
    Uninstall,
    /// [`Operation::Update`].
    Update,
}

impl OperationKind {
    /// Returns the name as results and audit events write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnswerCall => "answer_call",
            Self::Approve => "approve",
            Self::AskCall => "ask_call",
            Self::ClearRevocation => "clear_revocation",
            Self::Configure => "configure",
            Self::Deny => "deny",
            Self::Disable => "disable",
            Self::DropProposal => "drop_proposal",
            Self::Enable => "enable",
            Self::ForgetToolRule => "forget_tool_rule",
            Self::GrantOne => "grant_one",
            Self::Install => "install",
            Self::PinTools => "pin_tools",
            Self::Propose => "propose",
            Self::Reload => "reload",
            Self::Revoke => "revoke",
            Self::RevokeGrant => "revoke_grant",
            Self::RollBack => "roll_back",
            Self::SetScope => "set_scope",
            Self::SetToolRule => "set_tool_rule",
            Self::SpendCall => "spend_call",
            Self::SpendGrant => "spend_grant",
            Self::Sweep => "sweep",
            Self::Uninstall => "uninstall",
            Self::Update => "update",
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Operation {
    /// Returns the operation's name.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::AnswerCall { .. } => OperationKind::AnswerCall,
            Self::Approve { .. } => OperationKind::Approve,
            Self::AskCall { .. } => OperationKind::AskCall,
            Self::ClearRevocation { .. } => OperationKind::ClearRevocation,
            Self::Configure { .. } => OperationKind::Configure,
            Self::Deny { .. } => OperationKind::Deny,
            Self::Disable { .. } => OperationKind::Disable,
            Self::DropProposal { .. } => OperationKind::DropProposal,
            Self::Enable { .. } => OperationKind::Enable,
            Self::ForgetToolRule { .. } => OperationKind::ForgetToolRule,
            Self::GrantOne { .. } => OperationKind::GrantOne,
            Self::Install { .. } => OperationKind::Install,
            Self::PinTools { .. } => OperationKind::PinTools,
            Self::Propose { .. } => OperationKind::Propose,
            Self::Reload { .. } => OperationKind::Reload,
            Self::Revoke { .. } => OperationKind::Revoke,
            Self::RevokeGrant { .. } => OperationKind::RevokeGrant,
            Self::RollBack { .. } => OperationKind::RollBack,
            Self::SetScope { .. } => OperationKind::SetScope,
            Self::SetToolRule { .. } => OperationKind::SetToolRule,
            Self::SpendCall { .. } => OperationKind::SpendCall,
            Self::SpendGrant { .. } => OperationKind::SpendGrant,
            Self::Sweep => OperationKind::Sweep,
            Self::Uninstall { .. } => OperationKind::Uninstall,
            Self::Update { .. } => OperationKind::Update,
        }
    }

    /// Returns the plugin it is about.
    #[must_use]
    pub fn plugin(&self) -> Option<&PluginId> {
        match self {
            Self::Approve { plugin, .. }
            | Self::ClearRevocation { plugin, .. }
            | Self::Configure { plugin, .. }
            | Self::Deny { plugin, .. }
            | Self::Disable { plugin, .. }
            | Self::Enable { plugin }
            | Self::GrantOne { plugin, .. }
            | Self::PinTools { plugin, .. }
            | Self::Revoke { plugin, .. }
            | Self::RevokeGrant { plugin, .. }
            | Self::RollBack { plugin, .. }
            | Self::SetScope { plugin, .. }
            | Self::SpendGrant { plugin, .. }
            | Self::Uninstall { plugin, .. }
            | Self::Reload { plugin, .. }
            | Self::Update { plugin, .. } => Some(plugin),
            Self::Install { candidate } => Some(candidate.plugin()),
            Self::AnswerCall { .. }
            | Self::AskCall { .. }
            | Self::DropProposal { .. }
            | Self::ForgetToolRule { .. }
            | Self::Propose { .. }
            | Self::SetToolRule { .. }
            | Self::SpendCall { .. }
            | Self::Sweep => None,
        }
    }

    /// Tells whether an operator decided it by looking at the catalog. Such an operation is
    /// never tried again by itself on a catalog that has changed since (attack T40).
    #[must_use]
    pub fn is_judgement(&self) -> bool {
        matches!(
            self,
            Self::Approve { .. } | Self::ClearRevocation { .. } | Self::GrantOne { .. }
        )
    }
}
