//! What a plugin adds, as its manifest declares it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::choice;
use super::parse::Fields;
use super::report::{At, Report, Unknown};
use super::types::{Contributions, ToolContribution};
use crate::{AgentId, HookPoint, ToolName};

/// Most tools that one plugin may declare.
pub(super) const TOOLS_MAX: usize = 256;

const FIELDS: [&str; 5] = ["tools", "hooks", "providers", "commands", "subagents"];

/// Reads `contributes` of the extension's fields.
pub(super) fn read(extension: &Fields, parent: At<'_>, report: &mut Report) -> Contributions {
    let at = parent.key("contributes");
    let value = extension.get("contributes");
    let Some(fields) = value.and_then(|v| report.object(at, v)) else {
        return Contributions::default();
    };
    let tools = read_tools(fields.get("tools"), at, report);
    let hooks = read_hooks(fields.get("hooks"), at, report);
    let providers = read_names(fields, "providers", at, report);
    if !extension.contains_key("runtime") {
        for key in ["tools", "hooks", "providers"] {
            check_runtime(fields, key, at, report);
        }
    }
    let commands = read_names(fields, "commands", at, report);
    let subagents = read_names(fields, "subagents", at, report);
    report.unknown_fields(at, fields, &FIELDS, Unknown::Notice);
    Contributions {
        tools,
        hooks,
        providers,
        commands,
        subagents,
    }
}

fn read_tools(
    value: Option<&Value>,
    parent: At<'_>,
    report: &mut Report,
) -> BTreeMap<ToolName, ToolContribution> {
    let at = parent.key("tools");
    let mut tools = BTreeMap::new();
    let items = value.and_then(|v| report.list(at, v));
    let items = items.map(Vec::as_slice).unwrap_or_default();
    if items.len() > TOOLS_MAX {
        let message = format!("{} tools are too many: at most {TOOLS_MAX}", items.len());
        report.problem(at, "TOO_MANY_TOOLS", message);
        return tools;
    }
    for (i, item) in items.iter().enumerate() {
        let at = at.index(i);
        let Some((name, tool)) = read_tool(item, at, report) else {
            continue;
        };
        match tools.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(tool);
            }
            Entry::Occupied(entry) => {
                let message = format!("tool `{}` is declared twice", entry.key());
                report.problem(at, "DUPLICATE_TOOL", message);
            }
        }
    }
    tools
}

/// Reads one tool: a name, or an object with a name and whether it is optional.
fn read_tool(
    value: &Value,
    at: At<'_>,
    report: &mut Report,
) -> Option<(ToolName, ToolContribution)> {
    let Value::Object(fields) = value else {
        let name = read_tool_name(value, at, report)?;
        return Some((name, ToolContribution::default()));
    };
    let name = fields.get("name");
    let name = name.and_then(|v| read_tool_name(v, at.key("name"), report));
    if !fields.contains_key("name") {
        report.missing(at, "name", "name the tool, as in \"search\"");
    }
    let optional = fields.get("optional");
    let optional = optional.and_then(|v| report.flag(at.key("optional"), v));
    report.unknown_fields(at, fields, &["name", "optional"], Unknown::Notice);
    let optional = optional.unwrap_or(false);
    Some((name?, ToolContribution { optional }))
}

fn read_tool_name(value: &Value, at: At<'_>, report: &mut Report) -> Option<ToolName> {
    let text = report.text(at, value)?;
    let refused = |error: crate::NameError| {
        report.problem(at, "BAD_TOOL_NAME", error.to_string());
    };
    ToolName::parse(text).map_err(refused).ok()
}

fn read_hooks(value: Option<&Value>, parent: At<'_>, report: &mut Report) -> BTreeSet<HookPoint> {
    let mut hooks = BTreeSet::new();
    report.texts(parent.key("hooks"), value, |report, at, text| {
        let point = choice::HOOK.pick(text, at, report);
        if point.is_some_and(|point| !hooks.insert(point)) {
            let message = format!("hook `{text}` is declared twice");
            report.problem(at, "DUPLICATE_HOOK", message);
        }
    });
    hooks
}

fn read_names(fields: &Fields, key: &str, parent: At<'_>, report: &mut Report) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    report.texts(parent.key(key), fields.get(key), |report, at, text| {
        if let Err(error) = AgentId::parse(text) {
            let message = format!("`{}` is not a name: {}", error.shown, error.rule);
            report.problem(at, "BAD_NAME", message);
        } else if !names.insert(text.to_owned()) {
            let message = format!("`{text}` is declared twice");
            report.problem(at, "DUPLICATE_NAME", message);
        }
    });
    names
}

/// Only running code can answer a call: declaring it without a runtime promises nothing.
fn check_runtime(fields: &Fields, key: &str, at: At<'_>, report: &mut Report) {
    let declared = fields.get(key).and_then(Value::as_array);
    if declared.is_some_and(|list| !list.is_empty()) {
        let message = format!("{key} are declared, but there is no runtime to provide them");
        let hint = "add \"runtime\": { \"kind\": \"linked\" }, or process or wasm with a command";
        report.problem_with_hint(at.key(key), "RUNTIME_REQUIRED", message, hint);
    }
}
