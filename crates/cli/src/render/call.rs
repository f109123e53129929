//! Calls that wait for an operator, a few lines each.

use std::collections::BTreeMap;

use keyway_host::catalog::{CallAnswer, CallApproval};
use keyway_plugin_api::Effect;

use super::time::utc;
use crate::output::shown;

/// Lays out every call with its answer, if it has one.
pub(crate) fn calls(calls: &BTreeMap<String, CallApproval>, judged_ms: i64) -> Vec<String> {
    let lines = |(id, call): (&String, &CallApproval)| {
        let question = &call.question;
        let answer = call.answer.as_ref();
        [
            format!("Call: {}", shown(id)),
            format!("  Tool: {} ({})", question.tool, effect(question.effect)),
            format!("  Caller: {}", question.caller),
            format!("  Asked: {}", utc(call.at_ms)),
            format!("  Arguments: {}", shown(&question.preview)),
            format!(
                "  Answer: {}",
                answer.map_or("none yet".to_owned(), |a| words(a, judged_ms))
            ),
        ]
    };
    calls.iter().flat_map(lines).collect()
}

/// Says what a tool does to the world.
pub(super) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "reads",
        Effect::Write => "writes",
        Effect::Destructive => "destroys",
        Effect::Execute => "executes",
    }
}

fn words(answer: &CallAnswer, judged_ms: i64) -> String {
    let (by, at) = (&answer.by, utc(answer.at_ms));
    if !answer.allow {
        let why = answer.reason.as_deref().map(shown).unwrap_or_default();
        return format!("refused by {by} at {at}: {why}");
    }
    let extent = match answer.any_arguments {
        true => "with any arguments",
        false => "with these arguments",
    };
    let end = match answer.expires_at_ms {
        Some(end) if end <= judged_ms => format!(", expired {}", utc(end)),
        Some(end) => format!(", until {}", utc(end)),
        None => String::new(),
    };
    let uses = answer
        .uses_left
        .map(|uses| format!(", {uses} uses left"))
        .unwrap_or_default();
    format!("allowed {extent} by {by} at {at}{end}{uses}")
}
