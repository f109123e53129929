//! Standing rules for optional tools, and answers to single calls.

use std::collections::BTreeSet;
use std::fmt;

use keyway_plugin_api::{Effect, PluginId, ToolId};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::operator::OperatorId;
use crate::scope::Scope;

/// What a tool rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleTarget {
    /// Every tool of a group.
    Group(String),
    /// Every tool of a plugin.
    Plugin(PluginId),
    /// One tool.
    Tool(ToolId),
}

impl RuleTarget {
    /// Tells whether the rule is about a tool.
    #[must_use]
    pub fn names(&self, tool: &ToolId, groups: &BTreeSet<String>) -> bool {
        match self {
            Self::Group(group) => groups.contains(group),
            Self::Plugin(plugin) => plugin == tool.plugin(),
            Self::Tool(id) => id == tool,
        }
    }
}

impl fmt::Display for RuleTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(f, "group {}", group.escape_default()),
            Self::Plugin(plugin) => write!(f, "{plugin}"),
            Self::Tool(tool) => write!(f, "{tool}"),
        }
    }
}

/// A tool rule shows or hides optional tools (scenario R3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ToolRule {
    /// Which tools.
    pub target: RuleTarget,
    /// Whether they are shown; a rule that hides wins over every rule that shows.
    pub allow: bool,
    /// Callers that it holds for.
    #[serde(default, skip_serializing_if = "Scope::is_everywhere")]
    pub scope: Scope,
    /// Who made it.
    pub by: OperatorId,
    /// Unix time in milliseconds.
    pub at_ms: i64,
}

/// Tells whether the rules show an optional tool to a caller: some rule shows it and none hides it.
#[must_use]
pub fn shows_optional(
    rules: &[ToolRule],
    tool: &ToolId,
    groups: &BTreeSet<String>,
    caller: &Scope,
) -> bool {
    let mut about = rules
        .iter()
        .filter(|rule| rule.scope.contains(caller) && rule.target.names(tool, groups))
        .peekable();
    about.peek().is_some() && about.all(|rule| rule.allow)
}

/// A call that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "the gate fills every field; a new one must be decided there"
)]
pub struct CallQuestion {
    /// The tool.
    pub tool: ToolId,
    /// Where the caller stands.
    pub caller: Scope,
    /// How the tool changes the world.
    pub effect: Effect,
    /// The definition that would run.
    pub definition: Digest,
    /// The canonical arguments.
    pub arguments: Digest,
    /// The arguments for people, cut and redacted.
    pub preview: String,
}

impl CallQuestion {
    /// Returns the id under which the question waits: the same question has the same id.
    #[must_use]
    pub fn id(&self) -> String {
        let facts = serde_json::json!([
            self.tool,
            self.caller,
            self.effect,
            self.definition,
            self.arguments
        ]);
        let digest = Digest::of_json(&facts);
        let short: String = digest
            .as_bytes()
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        format!("call-{short}")
    }
}

/// A call that waits for an operator, with the answer once there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallApproval {
    /// What is asked.
    pub question: CallQuestion,
    /// Unix time of the question, in milliseconds.
    pub at_ms: i64,
    /// What the operator said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<CallAnswer>,
}

impl CallApproval {
    /// Tells whether this is a yes to exactly this question that still holds. A standing answer
    /// holds for other arguments too, never for another caller, tool or definition.
    #[must_use]
    pub fn permits(&self, question: &CallQuestion, judged_ms: i64) -> bool {
        let Some(answer) = &self.answer else {
            return false;
        };
        let same_tool = self.question.tool == question.tool
            && self.question.definition == question.definition
            && self.question.effect == question.effect
            && self.question.caller == question.caller;
        let same_call = answer.any_arguments || self.question.arguments == question.arguments;
        answer.is_yes(judged_ms) && same_tool && same_call
    }
}

/// What an operator said to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallAnswer {
    /// The operator.
    pub by: OperatorId,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// Yes or no.
    pub allow: bool,
    /// Whether it holds for other arguments too (settlement 16: an explicit opt-in).
    #[serde(default, skip_serializing_if = "super::record::is_default")]
    pub any_arguments: bool,
    /// Why, where it is a no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Unix time in milliseconds from which it no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// How many more calls it allows; any number when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u64>,
}

impl CallAnswer {
    /// Makes a yes to one call.
    #[must_use]
    pub fn once(by: OperatorId) -> Self {
        Self {
            by,
            at_ms: 0,
            allow: true,
            any_arguments: false,
            reason: None,
            expires_at_ms: None,
            uses_left: Some(1),
        }
    }

    /// Makes a yes that stands for this caller and tool, whatever the arguments.
    #[must_use]
    pub fn standing(by: OperatorId, expires_at_ms: Option<i64>) -> Self {
        Self {
            any_arguments: true,
            expires_at_ms,
            uses_left: None,
            ..Self::once(by)
        }
    }

    /// Makes a no.
    #[must_use]
    pub fn no(by: OperatorId, reason: impl Into<String>) -> Self {
        Self {
            allow: false,
            reason: Some(reason.into()),
            uses_left: None,
            ..Self::once(by)
        }
    }

    fn is_yes(&self, judged_ms: i64) -> bool {
        self.allow
            && self.expires_at_ms.is_none_or(|end| judged_ms < end)
            && self.uses_left != Some(0)
    }
}
