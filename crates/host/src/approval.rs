//! Approvals as values: they can be queued, shown, stored, and decided after a restart.

use async_trait::async_trait;
use keyway_plugin_api::{CapabilityRequest, Effect, PluginId, Risk, ToolDescriptor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::rank::Trust;
use crate::scope::Scope;
use crate::text::{inventory, strings};

/// Names one approval request; 128 random bits, so that knowing one gives no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalId(String);

impl ApprovalId {
    pub(crate) fn fresh() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl From<String> for ApprovalId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What an operator is asked to decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// The request's id.
    pub id: ApprovalId,
    /// When it was made, in Unix milliseconds.
    pub at_ms: i64,
    /// What is asked.
    #[serde(flatten)]
    pub subject: ApprovalSubject,
}

/// The two things that wait for an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApprovalSubject {
    /// One call of a tool that the policy does not let pass by itself.
    #[serde(rename_all = "camelCase")]
    Call {
        /// The tool's canonical name.
        tool: String,
        /// Digest of the tool's definition; the decision holds for this one only.
        definition: Digest,
        /// Who calls.
        caller: Scope,
        /// How the tool changes the world.
        effect: Effect,
        /// The arguments, whole: what is approved is what runs.
        arguments: Value,
    },
    /// A plugin that wants to run.
    #[serde(rename_all = "camelCase")]
    Plugin {
        /// The plugin.
        plugin: PluginId,
        /// Digest of its definition; the decision holds for this one only.
        definition: Digest,
        /// How far its source is believed.
        trust: Trust,
        /// How dangerous what it asks for is.
        risk: Risk,
        /// What it asks for.
        requests: Vec<CapabilityRequest>,
        /// What changed since the last approval, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
        /// The manifest, whole: what is approved is everything it says.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        manifest: Value,
        /// The tools' descriptions of themselves, where they are known: code that waits for its
        /// first approval has not run.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<ToolDescriptor>,
    },
}

impl ApprovalRequest {
    /// Lists every string that the asking side wrote, with a JSON pointer to it: what an operator
    /// has to be able to see before saying yes (attack F1). Print each with
    /// [`printable`](crate::text::printable).
    #[must_use]
    pub fn inventory(&self) -> Vec<(String, String)> {
        match &self.subject {
            ApprovalSubject::Call { arguments, .. } => strings("/arguments", arguments),
            ApprovalSubject::Plugin {
                diff,
                manifest,
                tools,
                ..
            } => {
                let mut found = strings("/manifest", manifest);
                for (i, tool) in tools.iter().enumerate() {
                    let of_tool = inventory(tool).into_iter();
                    found.extend(of_tool.map(|(at, text)| (format!("/tools/{i}{at}"), text)));
                }
                found.extend(diff.iter().map(|diff| ("/diff".to_owned(), diff.clone())));
                found
            }
        }
    }
}

/// An operator's decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// Give the caller this answer and do not run the tool.
    Answer {
        /// The answer.
        output: Value,
    },
    /// Yes: to a call once; to a plugin, its required requests and the optional ones named here.
    Approve {
        /// Tags of optional requests to grant as well.
        #[serde(default)]
        optional: Vec<String>,
    },
    /// No.
    Deny {
        /// Why, for whoever asked.
        reason: String,
    },
    /// Yes to the call, with these arguments instead.
    Edit {
        /// The arguments to run with.
        arguments: Value,
    },
    /// Not now: the request stays and can be decided later, also after a restart.
    Later,
    /// Yes to the call and to every like it (same caller, tool and definition) until the host
    /// stops.
    Session,
}

impl Decision {
    /// Says yes without any optional request.
    #[must_use]
    pub fn approve() -> Self {
        Self::Approve {
            optional: Vec::new(),
        }
    }
}

/// Decides on approval requests; how a host reaches its operator.
///
/// Implementors ask on a terminal, put the request into a queue and answer [`Decision::Later`],
/// or follow a rule. Contract: called without any lock held; may take as long as an operator
/// takes; a panic counts as [`Decision::Later`].
///
/// ```
/// use keyway_host::approval::{ApprovalRequest, Approver, Decision};
/// use keyway_plugin_api::async_trait;
/// struct Nobody;
/// #[async_trait]
/// impl Approver for Nobody {
///     async fn review(&self, _request: &ApprovalRequest) -> Decision {
///         Decision::Later
///     }
/// }
/// ```
#[async_trait]
pub trait Approver: Send + Sync + 'static {
    /// Looks at a request and decides.
    async fn review(&self, request: &ApprovalRequest) -> Decision;
}

/// Leaves every request for an operator to decide with `keyway plugin approve`.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "a rule without parameters")]
pub struct DecideLater;

#[async_trait]
impl Approver for DecideLater {
    async fn review(&self, _request: &ApprovalRequest) -> Decision {
        Decision::Later
    }
}

/// Approves every plugin's required requests and every call. For programs whose plugins are all
/// the embedder's own; it makes the operator's part in the story a formality.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "a rule without parameters")]
pub struct ApproveAll;

#[async_trait]
impl Approver for ApproveAll {
    async fn review(&self, _request: &ApprovalRequest) -> Decision {
        Decision::approve()
    }
}
