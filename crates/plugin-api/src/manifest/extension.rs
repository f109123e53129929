//! keyway's part of a manifest, `extensions["dev.keyway"]`.

use std::collections::BTreeSet;

use semver::{Comparator, Op, VersionReq};
use serde_json::Value;

use super::parse::Fields;
use super::report::{At, Report, Unknown, shown};
use super::standard::EXTENSION;
use super::types::{Activation, Contributions, Dependency, RuntimeKind, RuntimeSpec, StateSpec};
use super::{choice, contributes, requests};
use crate::capability::canonical_env_name;
use crate::{CapabilityRequest, PluginId, Risk, Slot, compat};

/// The newest version of the extension's layout that this crate reads.
const SCHEMA_VERSION: u64 = 1;

const FIELDS: [&str; 11] = [
    "schemaVersion",
    "api",
    "slot",
    "dependencies",
    "runtime",
    "capabilities",
    "risk",
    "contributes",
    "state",
    "settings",
    "activation",
];

/// The extension, checked; its default is a package without one.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) api: Option<VersionReq>,
    pub(super) slot: Slot,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) risk: Risk,
    pub(super) runtime: Option<RuntimeSpec>,
    pub(super) capabilities: Vec<CapabilityRequest>,
    pub(super) contributes: Contributions,
    pub(super) state: Option<StateSpec>,
    pub(super) settings: Option<Value>,
    pub(super) activation: Activation,
}

impl Default for Extension {
    fn default() -> Self {
        Self {
            api: None,
            slot: Slot::default(),
            dependencies: Vec::new(),
            risk: Risk::Low,
            runtime: None,
            capabilities: Vec::new(),
            contributes: Contributions::default(),
            state: None,
            settings: None,
            activation: Activation::default(),
        }
    }
}

/// Reads the extension. What was reported is left at its default.
pub(super) fn read(fields: &Fields, own_name: Option<&PluginId>, report: &mut Report) -> Extension {
    let parent = At::Root.key("extensions");
    let at = parent.key(EXTENSION);
    if !is_our_schema(fields, at, report) {
        return Extension::default();
    }
    let api = read_field(fields, "api", at, report, read_api);
    if fields.contains_key("runtime") && !fields.contains_key("api") {
        let hint = format!("write \"api\": \"{}\"", compat::suggested_api());
        report.missing(at, "api", &hint);
    }
    let slot = read_field(fields, "slot", at, report, |v, at, r| {
        choice::SLOT.read(v, at, r)
    });
    let dependencies = read_dependencies(fields.get("dependencies"), own_name, at, report);
    let runtime = read_field(fields, "runtime", at, report, read_runtime);
    let capabilities = requests::read(fields.get("capabilities"), at, report);
    let claimed = read_field(fields, "risk", at, report, |v, at, r| {
        choice::RISK.read(v, at, r)
    });
    let risk = check_risk(claimed, &capabilities, at.key("risk"), report);
    let contributes = contributes::read(fields, at, report);
    let state = read_field(fields, "state", at, report, read_state);
    let settings = read_field(fields, "settings", at, report, read_settings);
    let activation = read_activation(fields.get("activation"), at, report);
    report.unknown_fields(at, fields, &FIELDS, Unknown::Notice);
    Extension {
        api,
        slot: slot.unwrap_or_default(),
        dependencies,
        risk,
        runtime,
        capabilities,
        contributes,
        state,
        settings,
        activation,
    }
}

/// Reads one field where it is present.
fn read_field<T>(
    fields: &Fields,
    key: &str,
    at: At<'_>,
    report: &mut Report,
    read: fn(&Value, At<'_>, &mut Report) -> Option<T>,
) -> Option<T> {
    fields
        .get(key)
        .and_then(|value| read(value, at.key(key), report))
}

/// A newer layout may mean anything, so nothing more of it is looked at.
fn is_our_schema(fields: &Fields, at: At<'_>, report: &mut Report) -> bool {
    let Some(value) = fields.get("schemaVersion") else {
        return true;
    };
    let at = at.key("schemaVersion");
    match report.count(at, value) {
        Some(1..=SCHEMA_VERSION) => true,
        Some(0) => {
            report.problem(at, "WRONG_TYPE", "schema versions begin at 1");
            true
        }
        Some(newer) => {
            let message = format!(
                "the extension is written for schema {newer}; this host reads schema {SCHEMA_VERSION}"
            );
            report.problem_with_hint(at, "SCHEMA_NEWER", message, "upgrade the host");
            false
        }
        None => true,
    }
}

fn read_api(value: &Value, at: At<'_>, report: &mut Report) -> Option<VersionReq> {
    let text = report.text(at, value)?;
    let req = match VersionReq::parse(text) {
        Ok(req) => req,
        Err(error) => {
            let message = format!("`{}` is not a version requirement: {error}", shown(text));
            let hint = format!("write for example \"{}\"", compat::suggested_api());
            report.problem_with_hint(at, "BAD_API", message, hint);
            return None;
        }
    };
    if !req.comparators.iter().any(is_upper_bound) {
        let message = format!("`{}` has no upper bound", shown(text));
        let hint = format!("write \"{}\"", bounded(&req));
        report.problem_with_hint(at, "API_UNBOUNDED", message, hint);
        return None;
    }
    Some(req)
}

fn is_upper_bound(comparator: &Comparator) -> bool {
    !matches!(comparator.op, Op::Greater | Op::GreaterEq)
}

/// Closes a requirement at the next version that may break.
fn bounded(req: &VersionReq) -> String {
    let Some(lowest) = req.comparators.first() else {
        return compat::suggested_api();
    };
    match (lowest.major, lowest.minor.unwrap_or(0)) {
        (0, minor) => format!(">=0.{minor}, <0.{}", minor.saturating_add(1)),
        (major, minor) => format!(">={major}.{minor}, <{}", major.saturating_add(1)),
    }
}

fn read_dependencies(
    value: Option<&Value>,
    own_name: Option<&PluginId>,
    parent: At<'_>,
    report: &mut Report,
) -> Vec<Dependency> {
    let mut dependencies: Vec<Dependency> = Vec::new();
    report.texts(parent.key("dependencies"), value, |report, at, text| {
        let dependency = match parse_dependency(text) {
            Ok(dependency) => dependency,
            Err(message) => {
                let hint = "write name or name@range, as in \"http-cache@^1.2\"";
                return report.problem_with_hint(at, "BAD_DEPENDENCY", message, hint);
            }
        };
        let name = &dependency.name;
        if own_name == Some(name) {
            let message = format!("`{name}` depends on itself");
            report.problem(at, "SELF_DEPENDENCY", message);
        } else if dependencies.iter().any(|other| other.name == *name) {
            let message = format!("`{name}` stands twice");
            report.problem(at, "DUPLICATE_DEPENDENCY", message);
        } else {
            dependencies.push(dependency);
        }
    });
    dependencies
}

fn parse_dependency(text: &str) -> Result<Dependency, String> {
    let (name, range) = match text.split_once('@') {
        Some((name, range)) => (name, Some(range)),
        None => (text, None),
    };
    let name = PluginId::parse(name).map_err(|e| e.to_string())?;
    let version = match range.map(VersionReq::parse).transpose() {
        Ok(version) => version,
        Err(e) => {
            let range = shown(range.unwrap_or_default());
            return Err(format!("`{range}` is not a version requirement: {e}"));
        }
    };
    Ok(Dependency { name, version })
}

fn read_runtime(value: &Value, at: At<'_>, report: &mut Report) -> Option<RuntimeSpec> {
    let fields = report.object(at, value)?;
    let kind = read_runtime_kind(fields, at, report);
    let command = read_field(fields, "command", at, report, read_command);
    if matches!(kind, Some(RuntimeKind::Process | RuntimeKind::Wasm))
        && !fields.contains_key("command")
    {
        report.missing(
            at,
            "command",
            "name the program inside the package, as in \"./bin/notes\"",
        );
    }
    let mut args = Vec::new();
    report.texts(at.key("args"), fields.get("args"), |report, at, text| {
        if text.contains('\0') {
            report.problem(at, "BAD_ARGUMENT", "an argument contains no NUL");
        }
        args.push(text.to_owned());
    });
    let url = read_field(fields, "url", at, report, read_url);
    if kind == Some(RuntimeKind::Mcp) {
        check_server(fields, at, report);
    }
    let overlap = fields.get("overlap");
    let overlap = overlap.and_then(|v| report.flag(at.key("overlap"), v));
    let known = ["kind", "command", "args", "url", "overlap"];
    report.unknown_fields(at, fields, &known, Unknown::Notice);
    Some(RuntimeSpec {
        kind: kind?,
        command,
        args,
        url,
        overlap: overlap.unwrap_or(true),
    })
}

/// An MCP server is a program or an address, and not both.
fn check_server(fields: &Fields, at: At<'_>, report: &mut Report) {
    let hint = "write `command` for a local server or `url` for a remote one";
    match (fields.contains_key("command"), fields.contains_key("url")) {
        (false, false) => report.missing(at, "command", hint),
        (true, true) => {
            let message = "a server has a `command` or a `url`, not both";
            report.problem_with_hint(at.key("url"), "BAD_URL", message, hint);
        }
        _ => {}
    }
}

/// A server's address: `https`, or `http` on this machine; no user name, no password.
fn read_url(value: &Value, at: At<'_>, report: &mut Report) -> Option<String> {
    let text = report.text(at, value)?;
    let authority = |rest: &str| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().to_owned()
    };
    let is_clean = |host: &str| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '\\');
        !host.is_empty() && !host.contains(odd)
    };
    let is_local = |host: &str| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    };
    let is_fit = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => is_clean(&authority(rest)),
        (_, Some(rest)) => is_clean(&authority(rest)) && is_local(&authority(rest)),
        _ => false,
    };
    if is_fit {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is not an address of a server", shown(text));
    let hint = "write an https address, or http for a server on this machine; no user name";
    report.problem_with_hint(at, "BAD_URL", message, hint);
    None
}

fn read_runtime_kind(fields: &Fields, at: At<'_>, report: &mut Report) -> Option<RuntimeKind> {
    let Some(value) = fields.get("kind") else {
        report.missing(at, "kind", &choice::RUNTIME.list());
        return None;
    };
    choice::RUNTIME.read(value, at.key("kind"), report)
}

/// A command is one token, as in the standard's `mcp.json`; it is started without a shell.
fn read_command(value: &Value, at: At<'_>, report: &mut Report) -> Option<String> {
    let text = report.text(at, value)?;
    let rule = if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "is not one word: the arguments go into `args`, and no shell reads it"
    } else if text.split(['/', '\\']).any(|part| part == "..") {
        "leaves the package"
    } else {
        return Some(text.to_owned());
    };
    let message = format!("command `{}` {rule}", shown(text));
    report.problem(at, "BAD_COMMAND", message);
    None
}

/// The risk is what the author claims; less than what the requests amount to is a problem.
fn check_risk(
    claimed: Option<Risk>,
    capabilities: &[CapabilityRequest],
    at: At<'_>,
    report: &mut Report,
) -> Risk {
    let computed = Risk::of(capabilities);
    let claimed = claimed.unwrap_or(computed);
    if claimed < computed {
        let above = capabilities.iter().flat_map(|r| r.capability.atoms());
        let above = above.filter(|atom| atom.risk() > claimed);
        let tags: BTreeSet<String> = above.flat_map(|atom| atom.tags()).collect();
        let tags: Vec<String> = tags.into_iter().take(8).collect();
        let message = format!(
            "claims `{claimed}`, but what it asks for amounts to `{computed}`: {}",
            tags.join(", ")
        );
        let hint = format!("claim `{computed}` or ask for less");
        report.problem_with_hint(at, "RISK_TOO_LOW", message, hint);
    }
    claimed.max(computed)
}

fn read_state(value: &Value, at: At<'_>, report: &mut Report) -> Option<StateSpec> {
    let fields = report.object(at, value)?;
    let owns = fields.get("owns");
    let owns = owns.and_then(|v| report.flag(at.key("owns"), v));
    if !fields.contains_key("owns") {
        report.missing(
            at,
            "owns",
            "write true when the plugin owns state, else false",
        );
    }
    let at_version = at.key("version");
    let version = fields
        .get("version")
        .and_then(|v| report.count(at_version, v))
        .unwrap_or(1);
    report.unknown_fields(at, fields, &["owns", "version"], Unknown::Notice);
    let Ok(version) = u32::try_from(version) else {
        report.problem(
            at_version,
            "WRONG_TYPE",
            "expected a whole number below 4294967296",
        );
        return None;
    };
    Some(StateSpec {
        owns: owns?,
        version,
    })
}

fn read_settings(value: &Value, at: At<'_>, report: &mut Report) -> Option<Value> {
    let fields = report.object(at, value)?;
    if fields.get("type").and_then(Value::as_str) != Some("object") {
        let message = "the settings are not a JSON Schema of an object";
        let hint = "begin it with \"type\": \"object\"";
        report.problem_with_hint(at.key("type"), "BAD_SETTINGS", message, hint);
        return None;
    }
    Some(value.clone())
}

fn read_activation(value: Option<&Value>, parent: At<'_>, report: &mut Report) -> Activation {
    let at = parent.key("activation");
    let Some(fields) = value.and_then(|v| report.object(at, v)) else {
        return Activation::default();
    };
    let mut names = |key: &str, is_name: fn(&str) -> bool| {
        let mut names = BTreeSet::new();
        report.texts(at.key(key), fields.get(key), |report, at, text| {
            if !is_name(text) {
                let message = format!("`{}` is not a plain name", shown(text));
                report.problem(at, "BAD_ACTIVATION", message);
            }
            names.insert(text.to_owned());
        });
        names
    };
    let is_env = |name: &str| canonical_env_name(name).is_ok();
    let activation = Activation {
        os: names("os", is_plain_word),
        env: names("env", is_env),
        bins: names("bins", is_plain_word),
    };
    report.unknown_fields(at, fields, &["os", "env", "bins"], Unknown::Notice);
    activation
}

fn is_plain_word(word: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-');
    (1..=64).contains(&word.len()) && word.bytes().all(allowed)
}
