//! What can be recorded: one variant per fact.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_plugin_api::{Denial, Effect, HookPoint, LogLevel, PluginId, Slot};
use serde::{Deserialize, Serialize};

use super::Change;
use crate::digest::Digest;
use crate::operator::OperatorId;
use crate::rank::{Precedence, Trust};

/// An audit event is one fact about a call, a refusal or a change.
///
/// Its JSON form is an object tagged `event`. A reader that meets the tag of a newer version
/// gets [`AuditEvent::Unknown`]; the chain verifies all the same.
///
/// ```
/// use keyway_host::audit::AuditEvent;
/// let event = AuditEvent::HostStarted { version: "0.1.0".into() };
/// let json = serde_json::to_value(&event)?;
/// assert_eq!(json["event"], "host_started");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditEvent {
    /// Somebody decided an approval request.
    ApprovalDecided {
        /// The request's id.
        approval: Arc<str>,
        /// The plugin it was about.
        plugin: PluginId,
        /// The decision's code, for example `once`, `always`, `denied`.
        decision: Cow<'static, str>,
        /// Who decided; absent when a policy did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperatorId>,
        /// Why, in the decider's words; may be empty.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        why: Box<str>,
    },
    /// The host asks an operator to decide.
    ApprovalRequested {
        /// The request's id.
        approval: Arc<str>,
        /// The plugin it is about.
        plugin: PluginId,
        /// What is asked for, as tags, or the tool that wants to run.
        asked: Vec<String>,
        /// The exact bytes or definition the approval would be pinned to.
        digest: Digest,
    },
    /// The gate refused a call; nothing ran.
    CallDenied {
        /// The tool's canonical name, or what the caller named when there is no such tool.
        tool: Arc<str>,
        /// The caller, as `organisation/team/agent`.
        caller: Arc<str>,
        /// The gate's no.
        denial: Box<Denial>,
    },
    /// A destructive or executing call is about to run; durable before it does.
    CallIntended {
        /// Number of the call, unique while the host runs.
        call: u64,
        /// The tool's canonical name.
        tool: Arc<str>,
        /// The plugin that owns the tool.
        plugin: PluginId,
        /// The caller, as `organisation/team/agent`.
        caller: Arc<str>,
        /// How the tool changes the world.
        effect: Effect,
        /// Digest of the tool's definition.
        definition: Digest,
        /// Digest of the arguments' JSON text.
        arguments: Digest,
    },
    /// The catalog file was repaired, migrated, or found to differ from the trail.
    CatalogRepaired {
        /// What was wrong and what was done.
        what: Box<str>,
        /// Where the old file was kept, where it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept: Option<Box<str>>,
        /// What the repair changed.
        change: Box<Change>,
    },
    /// The gate refused a plugin's request for an effect.
    EffectDenied {
        /// The call in which the plugin asked.
        call: u64,
        /// The plugin.
        plugin: PluginId,
        /// The gate's no.
        denial: Box<Denial>,
    },
    /// The host performed an effect for a plugin.
    EffectPerformed {
        /// The call in which the plugin asked.
        call: u64,
        /// The plugin.
        plugin: PluginId,
        /// What was asked, as a tag, for example `network:api.github.com`.
        tag: Box<str>,
    },
    /// A gate hook stopped something.
    HookBlocked {
        /// The call, at the tool points.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u64>,
        /// The plugin that owns the hook.
        plugin: PluginId,
        /// Where.
        point: HookPoint,
        /// The hook's reason.
        reason: Box<str>,
    },
    /// A hook panicked, hung or answered beyond its authority.
    HookFailed {
        /// The call, at the tool points.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u64>,
        /// The plugin that owns the hook.
        plugin: PluginId,
        /// Where.
        point: HookPoint,
        /// What went wrong.
        reason: Box<str>,
    },
    /// A hook rewrote the payload.
    HookRewrote {
        /// The call, at the tool points.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u64>,
        /// The plugin that owns the hook.
        plugin: PluginId,
        /// Where.
        point: HookPoint,
    },
    /// A host began to serve.
    HostStarted {
        /// The host's product version.
        version: Cow<'static, str>,
    },
    /// A host stopped in good order.
    HostStopped,
    /// A plugin's authority changed.
    LifecycleMoved {
        /// The plugin.
        plugin: PluginId,
        /// The state it left.
        from: Cow<'static, str>,
        /// The state it is in.
        to: Cow<'static, str>,
        /// Who moved it; absent when the host did by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperatorId>,
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        why: Box<str>,
    },
    /// Two contenders for one name: the loser is refused, never shadowed.
    NameClash {
        /// The name.
        name: Box<str>,
        /// Who keeps it.
        winner: Box<str>,
        /// Who does not get it.
        loser: Box<str>,
        /// The rule that decided.
        rule: Cow<'static, str>,
    },
    /// Anything else an operator should find later.
    Notice {
        /// How important it is.
        level: LogLevel,
        /// The plugin it is about, where it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plugin: Option<PluginId>,
        /// What happened.
        message: Box<str>,
    },
    /// A catalog operation did not happen.
    OperationAborted {
        /// The plugin it was about.
        plugin: PluginId,
        /// The operation, for example `install`.
        operation: Cow<'static, str>,
        /// Who asked for it; absent when the host did by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperatorId>,
        /// The revision that the catalog would have reached.
        revision: u64,
        /// Why it did not.
        why: Box<str>,
    },
    /// A catalog operation happened: the catalog on disk is the new one.
    OperationCommitted {
        /// The plugin it was about.
        plugin: PluginId,
        /// The operation, for example `install`.
        operation: Cow<'static, str>,
        /// Who asked for it; absent when the host did by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperatorId>,
        /// The revision that the catalog reached.
        revision: u64,
        /// What the operator was told.
        message: Box<str>,
        /// What changed in the catalog file.
        change: Box<Change>,
    },
    /// A catalog operation is about to be written; durable before it is.
    OperationIntended {
        /// The plugin it is about.
        plugin: PluginId,
        /// The operation, for example `install`.
        operation: Cow<'static, str>,
        /// Who asked for it; absent when the host did by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperatorId>,
        /// The revision that the catalog will reach.
        revision: u64,
    },
    /// A plugin failed; nothing of it is left registered.
    PluginFailed {
        /// The plugin.
        plugin: PluginId,
        /// What it was doing, for example `start`.
        stage: Cow<'static, str>,
        /// What went wrong.
        reason: Box<str>,
    },
    /// The trail could not be written for a while, and these events never will be.
    RecordsLost {
        /// How many.
        count: u64,
    },
    /// Two contenders for one exclusive slot.
    SlotCollision {
        /// The slot.
        slot: Slot,
        /// Who held it.
        incumbent_id: PluginId,
        /// The incumbent's precedence.
        incumbent_precedence: Precedence,
        /// Who wants it.
        challenger_id: PluginId,
        /// The challenger's precedence.
        challenger_precedence: Precedence,
        /// Whether the challenger gets it.
        will_displace: bool,
    },
    /// Bytes after the last whole record, left by a crash, were moved to a file of their own.
    TailCut {
        /// How many bytes.
        bytes: u64,
        /// Name of the file beside the trail that keeps them.
        kept: Box<str>,
        /// Digest of the bytes.
        digest: Digest,
    },
    /// A tool call ended; whether it worked is in `outcome`.
    ToolCalled {
        /// Number of the call, unique while the host runs.
        call: u64,
        /// The tool's canonical name.
        tool: Arc<str>,
        /// The plugin that owns the tool.
        plugin: PluginId,
        /// How far the plugin's source is believed.
        trust: Trust,
        /// The caller, as `organisation/team/agent`.
        caller: Arc<str>,
        /// How the tool changes the world.
        effect: Effect,
        /// Digest of the tool's definition.
        definition: Digest,
        /// `OK` or an error code.
        outcome: Cow<'static, str>,
        /// How long it took, in microseconds.
        duration_us: u64,
    },
    /// A tool was kept out of the registry; its siblings stay.
    ToolQuarantined {
        /// The plugin that brought it.
        plugin: PluginId,
        /// The tool's name as the plugin wrote it.
        tool: Box<str>,
        /// Why.
        reason: Box<str>,
    },
    /// A fact of a newer version, or one whose fields this version cannot read. Only ever read.
    #[serde(other)]
    Unknown,
}

// An event is moved through a queue on every call: large payloads are boxed.
const _: () = assert!(size_of::<AuditEvent>() <= 144, "box the new field");

impl AuditEvent {
    /// Returns the plugin that the event is about, where it is about one.
    #[must_use]
    pub fn plugin(&self) -> Option<&str> {
        match self {
            Self::ApprovalDecided { plugin, .. }
            | Self::ApprovalRequested { plugin, .. }
            | Self::CallIntended { plugin, .. }
            | Self::EffectDenied { plugin, .. }
            | Self::EffectPerformed { plugin, .. }
            | Self::HookBlocked { plugin, .. }
            | Self::HookFailed { plugin, .. }
            | Self::HookRewrote { plugin, .. }
            | Self::LifecycleMoved { plugin, .. }
            | Self::OperationAborted { plugin, .. }
            | Self::OperationCommitted { plugin, .. }
            | Self::OperationIntended { plugin, .. }
            | Self::PluginFailed { plugin, .. }
            | Self::ToolCalled { plugin, .. }
            | Self::ToolQuarantined { plugin, .. } => Some(plugin.as_str()),
            Self::CallDenied { tool, .. } => tool.split_once('/').map(|(plugin, _)| plugin),
            Self::NameClash { loser, .. } => Some(loser),
            Self::Notice { plugin, .. } => plugin.as_ref().map(PluginId::as_str),
            Self::SlotCollision { challenger_id, .. } => Some(challenger_id.as_str()),
            Self::CatalogRepaired { .. }
            | Self::HostStarted { .. }
            | Self::HostStopped
            | Self::RecordsLost { .. }
            | Self::TailCut { .. }
            | Self::Unknown => None,
        }
    }

    /// Returns the tool that the event is about, where it is about one.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::CallDenied { tool, .. }
            | Self::CallIntended { tool, .. }
            | Self::ToolCalled { tool, .. } => Some(tool),
            Self::ToolQuarantined { tool, .. } => Some(tool),
            Self::NameClash { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Returns the call that the event belongs to, where it belongs to one.
    #[must_use]
    pub fn call(&self) -> Option<u64> {
        match self {
            Self::CallIntended { call, .. }
            | Self::EffectDenied { call, .. }
            | Self::EffectPerformed { call, .. }
            | Self::ToolCalled { call, .. } => Some(*call),
            Self::HookBlocked { call, .. }
            | Self::HookFailed { call, .. }
            | Self::HookRewrote { call, .. } => *call,
            _ => None,
        }
    }

    /// Returns how loudly an operator should be told.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        match self {
            Self::CallDenied { .. }
            | Self::CatalogRepaired { .. }
            | Self::EffectDenied { .. }
            | Self::HookBlocked { .. }
            | Self::HookFailed { .. }
            | Self::NameClash { .. }
            | Self::OperationAborted { .. }
            | Self::SlotCollision { .. }
            | Self::TailCut { .. }
            | Self::ToolQuarantined { .. } => LogLevel::Warn,
            Self::PluginFailed { .. } | Self::RecordsLost { .. } => LogLevel::Error,
            Self::Notice { level, .. } => *level,
            _ => LogLevel::Info,
        }
    }
}
