//! The part of a manifest that the Agent Plugins standard defines.

use semver::Version;
use serde_json::Value;

use super::parse::{Dialect, Fields};
use super::report::{At, Report, Unknown, shown};
use crate::PluginId;

/// The standard's identifier, the value of `$schema`.
pub(super) const STANDARD: &str = "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json";

/// The name of keyway's extension.
pub(super) const EXTENSION: &str = "dev.keyway";

const FIELDS: [&str; 10] = [
    "$schema",
    "name",
    "version",
    "description",
    "author",
    "homepage",
    "repository",
    "license",
    "keywords",
    "extensions",
];

/// Fields that Claude plugins use for their components; read by others, not unknown.
const CLAUDE_FIELDS: [&str; 14] = [
    "$schema",
    "name",
    "version",
    "description",
    "author",
    "homepage",
    "repository",
    "license",
    "keywords",
    "commands",
    "agents",
    "skills",
    "hooks",
    "mcpServers",
];

/// Who the plugin is, as far as it can be read.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: Option<PluginId>,
    pub(super) version: Option<Version>,
}

/// Finds keyway's extension. What cannot be it is reported by [`read`].
pub(super) fn extension(root: &Fields, dialect: Dialect) -> Option<&Fields> {
    match dialect {
        Dialect::AgentPlugins => root.get("extensions")?.get(EXTENSION)?.as_object(),
        Dialect::Claude => None,
    }
}

/// Reads the standard fields.
pub(super) fn read(
    root: &Fields,
    dialect: Dialect,
    extended: bool,
    report: &mut Report,
) -> Identity {
    if dialect == Dialect::AgentPlugins {
        check_standard(root, report);
    }
    let name = read_name(root, report);
    let version = read_version(root, extended, report);
    check_text(root, "description", report);
    check_author(root, dialect, report);
    check_text(root, "homepage", report);
    // Claude plugins in the wild write a repository as an object.
    if dialect == Dialect::AgentPlugins || !root.get("repository").is_some_and(Value::is_object) {
        check_text(root, "repository", report);
    }
    check_text(root, "license", report);
    let keywords = At::Root.key("keywords");
    report.texts(keywords, root.get("keywords"), |_, _, _| {});
    if let (Dialect::AgentPlugins, Some(extensions)) = (dialect, root.get("extensions")) {
        check_extensions(extensions, report);
    }
    Identity { name, version }
}

/// Reports top-level fields that the format does not have; they are ignored.
pub(super) fn unknown_fields(root: &Fields, dialect: Dialect, report: &mut Report) {
    let known: &[&str] = match dialect {
        Dialect::AgentPlugins => &FIELDS,
        Dialect::Claude => &CLAUDE_FIELDS,
    };
    report.unknown_fields(At::Root, root, known, Unknown::Notice);
}

fn check_standard(root: &Fields, report: &mut Report) {
    let hint = format!("write \"$schema\": \"{STANDARD}\"");
    let at = At::Root.key("$schema");
    let Some(value) = root.get("$schema") else {
        return report.missing(At::Root, "$schema", &hint);
    };
    if let Some(text) = report.text(at, value)
        && text != STANDARD
    {
        let message = format!("`{}` is not a format that this host reads", shown(text));
        report.problem_with_hint(at, "UNKNOWN_FORMAT", message, hint);
    }
}

fn read_name(root: &Fields, report: &mut Report) -> Option<PluginId> {
    let at = At::Root.key("name");
    let Some(value) = root.get("name") else {
        report.missing(At::Root, "name", "give the plugin a name such as \"notes\"");
        return None;
    };
    let text = report.text(at, value)?;
    let error = match PluginId::parse(text) {
        Ok(name) => return Some(name),
        Err(error) => error,
    };
    let hint = match text.split('.').all(|part| PluginId::parse(part).is_ok()) {
        true => "the standard allows `.` in names, keyway does not: its ids name folders",
        false => "1 to 64 of a-z, 0-9 and single hyphens, as in \"github-tools\"",
    };
    report.problem_with_hint(at, "NAME_INVALID", error.to_string(), hint);
    None
}

/// Without our extension the standard's own rule holds: a version is any text, or absent.
fn read_version(root: &Fields, extended: bool, report: &mut Report) -> Option<Version> {
    let at = At::Root.key("version");
    let none = Version::new(0, 0, 0);
    let Some(value) = root.get("version") else {
        if extended {
            report.missing(
                At::Root,
                "version",
                "write for example \"version\": \"0.1.0\"",
            );
            return None;
        }
        report.notice(at, "VERSION_ASSUMED", "`version` is missing, read as 0.0.0");
        return Some(none);
    };
    let text = report.text(at, value)?;
    match Version::parse(text) {
        Ok(version) => Some(version),
        Err(error) if extended => {
            let message = format!("`{}` is not a semantic version: {error}", shown(text));
            report.problem_with_hint(at, "BAD_VERSION", message, "write it as in \"0.1.0\"");
            None
        }
        Err(_) => {
            let message = format!("`{}` is not a semantic version, read as 0.0.0", shown(text));
            report.notice(at, "VERSION_ASSUMED", message);
            Some(none)
        }
    }
}

fn check_text(root: &Fields, key: &str, report: &mut Report) {
    if let Some(value) = root.get(key) {
        report.text(At::Root.key(key), value);
    }
}

fn check_author(root: &Fields, dialect: Dialect, report: &mut Report) {
    let at = At::Root.key("author");
    let Some(author) = root.get("author") else {
        return;
    };
    if dialect == Dialect::Claude && author.is_string() {
        return;
    }
    let Some(fields) = report.object(at, author) else {
        return;
    };
    for key in ["name", "email", "url"] {
        if let Some(value) = fields.get(key) {
            report.text(at.key(key), value);
        }
    }
    let verdict = match dialect {
        Dialect::AgentPlugins => Unknown::Problem,
        Dialect::Claude => Unknown::Notice,
    };
    report.unknown_fields(at, fields, &["name", "email", "url"], verdict);
}

/// The standard ignores what is not an object here, and we may not look into the parts of others.
fn check_extensions(extensions: &Value, report: &mut Report) {
    let at = At::Root.key("extensions");
    if let Some(ours) = extensions.get(EXTENSION) {
        report.object(at.key(EXTENSION), ours);
    }
    if !extensions.is_object() {
        report.notice(
            at,
            "EXTENSIONS_IGNORED",
            "expected an object, so it is ignored",
        );
    }
}
