//! `keyway tool`: what agents may call, and why not.

use keyway_host::explain::{ExplainedVerdict, Explanation};
use keyway_host::text::{LintFinding, inventory, lint};
use keyway_host::view::{ListedTool, Listing};
use keyway_host::{CallError, Outcome, PluginOutcome, StartReport};
use keyway_plugin_api::{Effect, ToolOutput};
use serde::Serialize;

use super::{greet, operation, query};
use crate::args::{Global, ToolArgs, ToolCommand};
use crate::failure::Failure;
use crate::nearest::nearest;
use crate::output;
use crate::render;
use crate::session::Running;

pub(super) fn run(global: &Global, args: &ToolArgs) -> Result<(), Failure> {
    let running = Running::start(global, operation::scope(&args.scope)?)?;
    greet(running.session());
    match &args.command {
        ToolCommand::List => list(&running, global.json),
        ToolCommand::Call { name, arguments } => call(&running, (name, arguments), global.json),
        ToolCommand::Explain { name } => explain(&running, name, global.json),
        ToolCommand::Show { name } => show_tool(&running, name, global.json),
    }
}

/// What `list --json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    tools: Vec<Tool<'a>>,
    plugins: &'a [PluginOutcome],
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(flatten)]
    listed: &'a ListedTool,
    effect: Effect,
    description: &'a str,
}

fn list(running: &Running, as_json: bool) -> Result<(), Failure> {
    let listing = running.list();
    let report = running.report();
    if !as_json {
        output::line(render::tools(&listing));
        say_who_rests(report);
        if running.session().state().entries.is_empty() {
            query::say_that_nothing_is_there(running.session());
        }
        return Ok(());
    }
    let tools = listing.tools.iter().map(|listed| Tool {
        listed,
        effect: listed.descriptor().effect,
        description: &listed.descriptor().description,
    });
    output::json(&Listed {
        tools: tools.collect(),
        plugins: &report.plugins,
    })
}

/// Says of every plugin that does not run why, and what would change that.
fn say_who_rests(report: &StartReport) {
    report.plugins.iter().for_each(say_that_it_rests);
}

fn say_that_it_rests(outcome: &PluginOutcome) {
    if let Some(rest) = render::rest(outcome) {
        output::warning(output::shown(&rest.why));
        rest.command.iter().for_each(output::help);
    }
}

/// What `call --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Called<'a> {
    success: bool,
    tool: &'a str,
    output: serde_json::Value,
}

fn call(running: &Running, (name, arguments): (&str, &str), as_json: bool) -> Result<(), Failure> {
    let outcome = running.call(name, arguments);
    let outcome = outcome.map_err(|error| {
        let failure = resting(running.report(), name, error.into());
        next_step(failure, name, arguments)
    })?;
    match outcome {
        Outcome::Done(output) if as_json => output::json(&Called {
            success: true,
            tool: name,
            output: output.to_value(),
        }),
        Outcome::Done(output) => show(&output),
        Outcome::NeedsApproval(request) => Err(Failure::new(
            "APPROVAL_REQUIRED",
            format_args!("{name} waits for an operator"),
        )
        .hint(format!("keyway call allow {}", request.id))
        .hint("then make the same call again")),
        _ => Err(Failure::new(
            "OUTCOME_UNKNOWN",
            "this is for a newer command",
        )),
    }
}

/// Adds what an operator can do about a refusal that says itself only what is wrong.
fn next_step(failure: Failure, name: &str, arguments: &str) -> Failure {
    if !failure.hints().is_empty() {
        return failure;
    }
    match failure.code() {
        "UNKNOWN_TOOL" => failure.hint("keyway tool list"),
        "INVALID_ARGUMENTS" if is_object(arguments) => {
            failure.hint(format!("to see what it takes: keyway tool show {name}"))
        }
        "INVALID_ARGUMENTS" => failure.hint(format!(
            "arguments are one JSON object: keyway tool call {name} '{{\"key\": \"value\"}}'"
        )),
        _ => failure,
    }
}

fn is_object(arguments: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments).is_ok()
}

/// Prints a text as it is and anything else as JSON, and nothing of it can steer the terminal.
fn show(result: &ToolOutput) -> Result<(), Failure> {
    let value = result.to_value();
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None => serde_json::to_string_pretty(&value).map_err(|e| Failure::not_json(&e))?,
    };
    output::line(keyway_host::text::printable_lines(&text));
    Ok(())
}

fn explain(running: &Running, name: &str, as_json: bool) -> Result<(), Failure> {
    let explanation = running.explain(name);
    if as_json {
        return output::json(&explanation);
    }
    for line in render::explanation(&explanation) {
        output::line(line);
    }
    if explanation.verdict == ExplainedVerdict::UnknownTool {
        match of_tool(running.report(), &explanation.tool) {
            Some(plugin) => say_that_it_rests(plugin),
            None => output::help("keyway tool list"),
        }
    }
    if let Some(command) = helping(&explanation) {
        output::help(output::shown(command));
    }
    Ok(())
}

/// What `show --json` prints.
#[derive(Serialize)]
struct Described<'a> {
    #[serde(flatten)]
    listed: &'a ListedTool,
    effect: Effect,
    texts: Vec<Text>,
    findings: Vec<Finding<'a>>,
}

/// A text, and where it stands in the description.
#[derive(Serialize)]
struct Text {
    at: String,
    text: String,
}

/// A text that reads like an instruction.
#[derive(Serialize)]
struct Finding<'a> {
    at: &'a str,
    rule: &'static str,
    evidence: &'a str,
}

/// Shows all that a model may read of a tool (attack F1): nothing is cut, and nothing acts on the terminal.
fn show_tool(running: &Running, name: &str, as_json: bool) -> Result<(), Failure> {
    let listing = running.list();
    let is_meant = |tool: &&ListedTool| tool.id == name || tool.alias.as_deref() == Some(name);
    let Some(listed) = listing.tools.iter().find(is_meant) else {
        let known = listing.tools.iter().map(|tool| tool.id.as_str());
        let error = CallError::UnknownTool {
            name: output::shown(name),
            nearest: nearest(name, known).map(str::to_owned),
        };
        let failure = resting(running.report(), name, error.into());
        return Err(next_step(failure, name, "{}"));
    };
    let texts = inventory(listed.descriptor());
    let findings = lint(listed.descriptor(), &others(&listing, listed));
    if as_json {
        return output::json(&Described {
            listed,
            effect: listed.descriptor().effect,
            texts: texts
                .into_iter()
                .map(|(at, text)| Text { at, text })
                .collect(),
            findings: findings.iter().map(finding).collect(),
        });
    }
    for line in render::description(listed, &texts, &findings) {
        output::line(line);
    }
    Ok(())
}

fn finding(finding: &LintFinding) -> Finding<'_> {
    Finding {
        at: &finding.path,
        rule: finding.rule.name(),
        evidence: &finding.evidence,
    }
}

/// The names of other plugins and of their tools.
fn others<'a>(listing: &'a Listing, of: &ListedTool) -> Vec<&'a str> {
    let plugin_of = |id: &'a str| id.split_once('/').unwrap_or((id, id));
    let (own, _) = of.id.split_once('/').unwrap_or((&of.id, &of.id));
    let names = listing.tools.iter().map(|tool| plugin_of(&tool.id));
    let foreign = names.filter(|(plugin, _)| *plugin != own);
    foreign.flat_map(|(plugin, tool)| [plugin, tool]).collect()
}

/// Returns the command that would let a call pass.
fn helping(explanation: &Explanation) -> Option<&str> {
    explanation.denial.as_ref()?.command.as_deref()
}

/// Adds to a refusal that the tool's plugin does not run, where that is why.
fn resting(report: &StartReport, tool: &str, failure: Failure) -> Failure {
    match of_tool(report, tool).and_then(render::rest) {
        None => failure,
        Some(rest) => rest
            .command
            .into_iter()
            .fold(failure.detail(rest.why), Failure::hint),
    }
}

fn of_tool<'a>(report: &'a StartReport, tool: &str) -> Option<&'a PluginOutcome> {
    let (plugin, _) = tool.split_once('/')?;
    report.plugin(plugin)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use clap::Parser as _;
    use keyway_host::catalog::{Approval, Operation};
    use keyway_plugin_api::{FsWrite, PluginId, Register, RegisterError, ToolError, tool};

    use super::*;
    use crate::args::Cli;

    /// Says what it is told.
    #[tool(effect = read)]
    fn say(
        /// The text.
        #[arg]
        text: String,
    ) -> String {
        text
    }

    /// Keeps a text.
    #[tool(effect = write)]
    async fn keep(
        /// The text.
        #[arg]
        text: String,
        files: FsWrite,
    ) -> Result<(), ToolError> {
        files.write("notes/kept.md", text).await
    }

    /// Forgets everything.
    #[tool(effect = destructive)]
    fn forget() -> String {
        "gone".to_owned()
    }

    #[derive(Default)]
    struct Notes;

    impl keyway_plugin_api::Plugin for Notes {
        fn manifest(&self) -> Cow<'static, str> {
            r#"{
                "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
                "name": "notes", "version": "0.1.0",
                "extensions": { "dev.keyway": {
                    "schemaVersion": 1, "api": ">=0.1, <0.2",
                    "runtime": { "kind": "linked" },
                    "capabilities": [
                        { "kind": "filesystem", "write": ["./notes"], "optional": true }
                    ],
                    "contributes": { "tools": ["say", "keep", "forget"] }
                } }
            }"#
            .into()
        }

        fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
            ctx.tool(Say)?;
            ctx.tool(Keep)?;
            ctx.tool(Forget)?;
            Ok(())
        }
    }

    fn running(dir: &std::path::Path) -> Running {
        let dir = dir.to_str().unwrap();
        let cli = Cli::try_parse_from(["keyway", "--dir", dir, "--by", "olive", "tool", "list"]);
        let scope = "acme/support/triage".parse().unwrap();
        Running::linked(&cli.unwrap().global, scope, Notes).unwrap()
    }

    /// A folder in which the plugin waits, then one in which it was approved.
    fn approved() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let waiting = running(folder.path());
        let rest = render::rest(&waiting.report().plugins[0]).unwrap();
        assert_eq!(rest.why, "notes waits for approval (risk: medium)");
        assert_eq!(rest.command.unwrap(), "keyway plugin approve notes");
        assert!(waiting.list().tools.is_empty());
        let approve = Operation::Approve {
            plugin: PluginId::from_static("notes"),
            approval: Approval::by(waiting.session().operator().clone()),
        };
        waiting.session().apply(&approve).unwrap();
        folder
    }

    #[test]
    fn the_tools_of_an_agent_are_listed() {
        let folder = approved();
        let listed = render::tools(&running(folder.path()).list());
        let lines: Vec<_> = listed.lines().collect();
        assert_eq!(
            lines,
            [
                "Tool                  Effect   Trust     Description",
                "--------------------- -------- --------- ---------------------",
                "notes/forget          destroys trusted   Forgets everything.",
                "notes/keep            writes   trusted   Keeps a text.",
                "notes/say             reads    trusted   Says what it is told.",
            ]
        );
    }

    #[test]
    fn a_call_passes_the_gate_or_says_what_is_missing() {
        let folder = approved();
        let running = running(folder.path());
        let said = running.call("notes/say", r#"{"text":"hello"}"#).unwrap();
        assert_eq!(said.output().unwrap().to_value(), "hello");
        assert!(call(&running, ("notes/say", r#"{"text":"x"}"#), true).is_ok());

        let table = [
            ("notes/say", "{}", "INVALID_ARGUMENTS", None),
            (
                "notes/forget",
                "{}",
                "APPROVAL_REQUIRED",
                Some("keyway call allow call-"),
            ),
        ];
        for (tool, arguments, code, hint) in table {
            let refused = call(&running, (tool, arguments), true).unwrap_err();
            let said = format!("{refused:?}");
            assert!(said.contains(code), "{said}");
            assert!(hint.is_none_or(|hint| said.contains(hint)), "{said}");
        }
    }

    #[test]
    fn an_explanation_ends_with_the_command_that_helps() {
        let folder = approved();
        let running = running(folder.path());
        let allowed = running.explain("notes/say");
        let lines = render::explanation(&allowed);
        assert_eq!(lines[..2], ["Tool: notes/say", "A call: would run"]);
        assert_eq!(helping(&allowed), None);

        let denied = running.explain("notes/keep");
        let lines = render::explanation(&denied).join("\n");
        assert!(lines.contains("A call: would be refused"), "{lines}");
        assert!(lines.contains("  no   "), "{lines}");
        let command = helping(&denied).unwrap();
        assert!(
            command.starts_with("keyway plugin approve notes"),
            "{command}"
        );
    }
}
