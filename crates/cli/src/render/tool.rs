//! Tools, why a call would pass or not, and why a plugin does not run.

use keyway_host::explain::{ExplainedVerdict, Explanation};
use keyway_host::text::LintFinding;
use keyway_host::view::{ListedTool, Listing};
use keyway_host::{PluginOutcome, PluginStatus};

use super::call::effect;
use super::table::{Column, table};
use crate::output::shown;

const COLUMNS: [Column; 4] = [
    ("Tool", 21),
    ("Effect", 8),
    ("Trust", 9),
    ("Description", 11),
];
/// Characters of a description in the table.
const DESCRIPTION: usize = 60;

/// Lays out the tools of a listing.
pub(crate) fn tools(listing: &Listing) -> String {
    let rows: Vec<_> = listing.tools.iter().map(row).collect();
    table(COLUMNS, &rows)
}

fn row(tool: &ListedTool) -> [String; 4] {
    let descriptor = tool.descriptor();
    let first = descriptor.description.lines().next().unwrap_or_default();
    let mut description: String = first.chars().take(DESCRIPTION).collect();
    if description.len() < first.len() {
        description.push('…');
    }
    [
        shown(&tool.id),
        effect(descriptor.effect).to_owned(),
        tool.trust.to_string(),
        shown(&description),
    ]
}

/// Lays out every text of a tool, each with its place, and what reads like an instruction.
pub(crate) fn description(
    tool: &ListedTool,
    texts: &[(String, String)],
    findings: &[LintFinding],
) -> Vec<String> {
    let mut lines = vec![
        format!("Tool: {}", shown(&tool.id)),
        format!("Effect: {}", effect(tool.descriptor().effect)),
        format!("Trust: {}", tool.trust),
        format!("Definition: {}", tool.definition),
        "Texts:".to_owned(),
    ];
    let text = |(at, text): &(String, String)| format!("  {}: {}", shown(at), shown(text));
    lines.extend(texts.iter().map(text));
    lines.push("Reads like an instruction:".to_owned());
    if findings.is_empty() {
        lines.push("(none)".to_owned());
    }
    lines.extend(findings.iter().map(|found| {
        let (at, evidence) = (shown(&found.path), shown(&found.evidence));
        format!("  {at}: {} ({evidence})", found.rule.name())
    }));
    lines
}

/// Lays out an explanation.
pub(crate) fn explanation(explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![
        format!("Tool: {}", shown(&explanation.tool)),
        format!("A call: {}", verdict(explanation.verdict)),
    ];
    for rule in &explanation.rules {
        let sign = if rule.is_met { "yes" } else { "no " };
        lines.push(format!("  {sign}  {}", shown(&rule.rule)));
    }
    if let Some(denial) = &explanation.denial {
        lines.push(format!(
            "Because: {} [{}]",
            shown(&denial.to_string()),
            denial.code()
        ));
    }
    lines
}

fn verdict(verdict: ExplainedVerdict) -> &'static str {
    match verdict {
        ExplainedVerdict::Denied => "would be refused",
        ExplainedVerdict::NeedsApproval => "would wait for an operator",
        ExplainedVerdict::Permitted => "would run",
        ExplainedVerdict::UnknownTool => "would find no such tool",
        _ => "is judged by a rule that this command does not know",
    }
}

/// Why a plugin does not run, and the command that would change that.
pub(crate) struct Rest {
    /// Why.
    pub(crate) why: String,
    /// The command, where there is one.
    pub(crate) command: Option<String>,
}

/// Says why a plugin does not run; nothing where it runs, or has nothing to run.
pub(crate) fn rest(outcome: &PluginOutcome) -> Option<Rest> {
    let plugin = &outcome.plugin;
    let (why, verb) = match &outcome.status {
        PluginStatus::Running { .. } | PluginStatus::Ready => return None,
        PluginStatus::Denied => ("was denied".to_owned(), Some("approve")),
        PluginStatus::Disabled => ("is disabled".to_owned(), Some("enable")),
        PluginStatus::Failed { code, reason, .. } => {
            (format!("did not start: {reason} [{code}]"), Some("info"))
        }
        PluginStatus::PendingApproval { risk, .. } => (
            format!("waits for approval (risk: {risk})"),
            Some("approve"),
        ),
        PluginStatus::Revoked => ("is revoked".to_owned(), Some("info")),
        _ => ("does not run".to_owned(), None),
    };
    Some(Rest {
        why: format!("{plugin} {why}"),
        command: verb.map(|verb| format!("keyway plugin {verb} {plugin}")),
    })
}
