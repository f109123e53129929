//! Why a call would pass or not, as a chain of rules a person can read.

use serde::Serialize;

use keyway_plugin_api::Denial;

use crate::caller::Caller;
use crate::engine::Engine;
use crate::gate::{Ask, AskNumber, Holdings, Judgement, Standing};
use crate::invoke::{Found, resolve};
use crate::registry::ToolEntry;

/// An explanation is the answer to "may this caller call this tool, and why".
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Explanation {
    /// The tool as it was asked for.
    pub tool: String,
    /// What would happen.
    pub verdict: ExplainedVerdict,
    /// The rules in the order in which they were looked at.
    pub rules: Vec<ExplainedRule>,
    /// The gate's no, with the command that would change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<Denial>,
}

/// What would happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExplainedVerdict {
    /// It would be refused.
    Denied,
    /// An operator would be asked.
    NeedsApproval,
    /// It would run.
    Permitted,
    /// The caller knows no such tool.
    UnknownTool,
}

/// One rule and whether it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExplainedRule {
    /// The rule, in words.
    pub rule: String,
    /// Whether it is met.
    pub is_met: bool,
}

pub(crate) fn explain(engine: &Engine, caller: &Caller, name: &str) -> Explanation {
    let Ok(Found { tool, .. }) = resolve(engine, caller, name) else {
        let rule = met(
            format!("a tool `{}` exists for {caller}", name.escape_default()),
            false,
        );
        return Explanation {
            tool: name.to_owned(),
            verdict: ExplainedVerdict::UnknownTool,
            rules: vec![rule],
            denial: None,
        };
    };
    let holdings = tool.holdings().load();
    let ask = Ask {
        // Number 0 is never a call's, so a permit made here can be spent by none.
        number: AskNumber(0),
        caller,
        tool: &tool,
        holdings: &holdings,
        time: &engine.time,
        is_approved: false,
    };
    let (verdict, denial) = match engine.judge(ask) {
        Judgement::Permitted(_) => (ExplainedVerdict::Permitted, None),
        Judgement::Denied(denial) => (ExplainedVerdict::Denied, Some(*denial)),
        Judgement::NeedsApproval => (ExplainedVerdict::NeedsApproval, None),
    };
    let rules = rules(&tool, &holdings, caller);
    Explanation {
        tool: tool.name().to_owned(),
        verdict,
        rules,
        denial,
    }
}

fn rules(tool: &ToolEntry, holdings: &Holdings, caller: &Caller) -> Vec<ExplainedRule> {
    let scope = holdings.scope();
    let mut rules = vec![
        met(
            format!(
                "{} applies at {scope}, which contains {caller}",
                tool.plugin()
            ),
            scope.contains(caller.scope()),
        ),
        met(
            format!("{} is running", tool.plugin()),
            holdings.standing() == Standing::Running,
        ),
    ];
    if tool.is_optional() {
        let is_met = holdings.allows_optional(tool, caller);
        rules.push(met(
            format!("a rule shows the optional tool {}", tool.name()),
            is_met,
        ));
    }
    for need in &tool.descriptor().needs {
        let is_met = holdings
            .grants()
            .iter()
            .any(|grant| grant.capability.satisfies(need));
        rules.push(met(
            format!("{} holds a grant for {need}", tool.plugin()),
            is_met,
        ));
    }
    rules
}

fn met(rule: String, is_met: bool) -> ExplainedRule {
    ExplainedRule { rule, is_met }
}
