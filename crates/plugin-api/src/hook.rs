//! Code at named points around calls: observers, transformers, gates.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The points at which hooks run, in the order of a session.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HookPoint {
    /// A session begins.
    SessionStart,
    /// Before the model is asked.
    PreLlmCall,
    /// After the model answered.
    PostLlmCall,
    /// Before a tool runs; the gate has already permitted it.
    PreToolCall,
    /// After a tool ran.
    PostToolCall,
    /// A subagent stopped.
    SubagentStop,
    /// Before a request from outside is dispatched.
    PreGatewayDispatch,
    /// A session is reset.
    SessionReset,
    /// A session ends.
    SessionEnd,
}

impl HookPoint {
    /// Every point, in order.
    pub const ALL: [Self; 9] = [
        Self::SessionStart,
        Self::PreLlmCall,
        Self::PostLlmCall,
        Self::PreToolCall,
        Self::PostToolCall,
        Self::SubagentStop,
        Self::PreGatewayDispatch,
        Self::SessionReset,
        Self::SessionEnd,
    ];

    /// Returns the name as manifests write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionStart => "session_start",
            Self::PreLlmCall => "pre_llm_call",
            Self::PostLlmCall => "post_llm_call",
            Self::PreToolCall => "pre_tool_call",
            Self::PostToolCall => "post_tool_call",
            Self::SubagentStop => "subagent_stop",
            Self::PreGatewayDispatch => "pre_gateway_dispatch",
            Self::SessionReset => "session_reset",
            Self::SessionEnd => "session_end",
        }
    }
}

impl std::fmt::Display for HookPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a hook may do; the host ignores a verdict beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "three authorities, each a promise to the operator"
)]
pub enum HookAuthority {
    /// Sees the event. Failing or hanging changes nothing (fails open).
    Observe,
    /// May rewrite the payload. Failing leaves the payload as it was.
    Transform,
    /// May block. Failing or hanging blocks (fails closed).
    Gate,
}

/// What happens at a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HookEvent {
    /// Where.
    pub point: HookPoint,
    /// The caller, as `organisation/team/agent`.
    pub caller: String,
    /// The tool's canonical name at the tool points; empty elsewhere.
    pub tool: String,
    /// The arguments, the result, the messages: what the point is about.
    pub payload: Value,
}

impl HookEvent {
    /// Makes an event.
    #[must_use]
    pub fn new(
        point: HookPoint,
        caller: impl Into<String>,
        tool: impl Into<String>,
        payload: Value,
    ) -> Self {
        Self {
            point,
            caller: caller.into(),
            tool: tool.into(),
            payload,
        }
    }
}

/// A hook's answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HookVerdict {
    /// Stop, for this reason. Only a gate hook's block counts.
    Block {
        /// Why, for the caller and the audit trail.
        reason: String,
    },
    /// Go on.
    Continue,
    /// Go on with this payload instead. Counts for transform and gate hooks.
    Rewrite(Value),
}

/// Code that runs at hook points.
///
/// Contract: may run concurrently with itself; has a deadline set by the host; a panic counts as
/// a failure.
///
/// ```
/// use keyway_plugin_api::{Hook, HookEvent, HookVerdict, async_trait};
/// struct NoDeletes;
/// #[async_trait]
/// impl Hook for NoDeletes {
///     async fn run(&self, event: &HookEvent) -> HookVerdict {
///         if event.tool.ends_with("/delete") {
///             return HookVerdict::Block { reason: "deleting is off today".into() };
///         }
///         HookVerdict::Continue
///     }
/// }
/// ```
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Looks at an event and answers.
    async fn run(&self, event: &HookEvent) -> HookVerdict;
}
