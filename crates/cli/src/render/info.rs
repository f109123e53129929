//! Everything known about one plugin: the keys of source 002 in its order, then keyway's.

use keyway_host::catalog::{CatalogEntry, CatalogState, Grant};
use serde_json::{Map, Value};

use super::request::{requests, when};
use super::status::status;
use super::time::utc;
use crate::output::shown;

/// A text made of `Key: value` lines and sections.
#[derive(Debug, Default)]
pub(crate) struct Sheet(String);

impl Sheet {
    fn line(&mut self, line: impl AsRef<str>) -> &mut Self {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
        self
    }

    fn field(&mut self, key: &str, value: impl AsRef<str>) -> &mut Self {
        self.line(format!("{key}: {}", shown(value.as_ref())))
    }

    fn section(&mut self, title: &str, lines: &[String]) -> &mut Self {
        self.line(format!("{title}:"));
        if lines.is_empty() {
            return self.line("(none)");
        }
        lines.iter().for_each(|line| {
            self.line(shown(line));
        });
        self
    }
}

/// Lays out one plugin.
pub(crate) fn info(state: &CatalogState, entry: &CatalogEntry, now_ms: i64) -> String {
    let mut sheet = Sheet::default();
    source_002(&mut sheet, state, entry);
    authority(&mut sheet, state, entry);
    let record = &entry.keyway;
    let judged_ms = state.judged_ms(now_ms);
    sheet.section("Requests", &requests(entry, judged_ms));
    sheet.section("Grants", &grant_lines(&record.grants, judged_ms));
    sheet.section(
        "Contributes",
        &record
            .declared
            .contributions
            .iter()
            .cloned()
            .collect::<Vec<_>>(),
    );
    if let Some(schema) = record.declared.settings_schema() {
        sheet.section("Settings", &settings(schema, &record.settings));
    }
    if let Some(update) = &record.pending_update {
        let version = &update.candidate.manifest.version;
        sheet.field(
            "Pending update",
            format!("{version}, since {}", utc(update.at_ms)),
        );
        update.diff.iter().for_each(|line| {
            sheet.line(shown(line));
        });
    }
    sheet.0.trim_end().to_owned()
}

/// Returns one line for each setting: what it is set to, else that it is not, and what it is for.
fn settings(schema: &Value, set: &Map<String, Value>) -> Vec<String> {
    let declared = schema.get("properties").and_then(Value::as_object);
    let line = |(key, about): (&String, &Value)| {
        let value = set
            .get(key)
            .map_or("(not set)".to_owned(), Value::to_string);
        let description = about.get("description").and_then(Value::as_str);
        description.map_or(format!("{key} = {value}"), |description| {
            format!("{key} = {value}  # {description}")
        })
    };
    let is_declared = |key: &String| declared.is_some_and(|declared| declared.contains_key(key));
    let others = set.iter().filter(|(key, _)| !is_declared(key));
    declared
        .into_iter()
        .flatten()
        .chain(others)
        .map(line)
        .collect()
}

/// Lays out what one plugin was granted and still asks for.
pub(crate) fn grants(state: &CatalogState, entry: &CatalogEntry, now_ms: i64) -> String {
    let judged_ms = state.judged_ms(now_ms);
    let mut sheet = Sheet::default();
    sheet.section("Requests", &requests(entry, judged_ms));
    sheet.section("Grants", &grant_lines(&entry.keyway.grants, judged_ms));
    sheet.0.trim_end().to_owned()
}

fn source_002(sheet: &mut Sheet, state: &CatalogState, entry: &CatalogEntry) {
    let manifest = &entry.manifest;
    let slot = entry.slot.unwrap_or(manifest.slot);
    let dependencies: Vec<_> = manifest
        .dependencies
        .iter()
        .map(ToString::to_string)
        .collect();
    sheet
        .field("Plugin", manifest.name.as_str())
        .field("Version", manifest.version.to_string())
        .field("Slot", slot.as_str())
        .field("Status", status(state, entry))
        .field("Precedence", entry.precedence.as_str())
        .field("Source", entry.source_path.as_deref().unwrap_or("(linked)"))
        .field("Installed", utc(entry.installed_at_ms))
        .field("Modified", utc(entry.last_modified_ms))
        .section("Dependencies", &dependencies)
        .line("Manifest:")
        .field("name", manifest.name.as_str())
        .field("version", manifest.version.to_string())
        .field("slot", manifest.slot.as_str());
    if let Some(description) = &manifest.description {
        sheet.field("description", description);
    }
}

fn authority(sheet: &mut Sheet, state: &CatalogState, entry: &CatalogEntry) {
    let record = &entry.keyway;
    sheet
        .field("Trust", record.trust.as_str())
        .field("Scope", record.scope.to_string())
        .field("Authority", record.authority.as_str());
    if let Some(risk) = record.declared.risk {
        sheet.field("Risk", risk.to_string());
    }
    if let Some(launch) = &record.declared.launch {
        sheet.field("Runs", launch);
    }
    if let Some(digest) = &record.declared.digest {
        sheet.field("Digest", digest.to_string());
    }
    if let Some(approval) = &record.approval {
        sheet.field(
            "Approved",
            format!("{} by {}", utc(approval.at_ms), approval.by),
        );
    }
    if let Some(by) = &record.displaced_by {
        sheet.field("Displaced by", by.as_str());
    }
    if let Some(reason) = &record.disabled_reason {
        sheet.field("Reason", reason);
    }
    if let Some(revocation) = state.keyway.revocations.get(&entry.manifest.name) {
        let text = format!(
            "{} by {}: {}",
            utc(revocation.at_ms),
            revocation.by,
            revocation.reason
        );
        sheet.field("Revoked", text);
    }
}

/// Returns one line for each grant.
fn grant_lines(grants: &[Grant], judged_ms: i64) -> Vec<String> {
    let line = |grant: &Grant| {
        let mut line = grant.capability.tags().join(", ") + when(grant.background);
        line.push_str(&format!(" (by {}, {}", grant.by, utc(grant.at_ms)));
        if !grant.scope.is_everywhere() {
            line.push_str(&format!(", for {}", grant.scope));
        }
        if let Some(end) = grant.expires_at_ms {
            let word = if judged_ms < end { "until" } else { "expired" };
            line.push_str(&format!(", {word} {}", utc(end)));
        }
        if let Some(uses) = grant.uses_left {
            line.push_str(&format!(", {uses} uses left"));
        }
        line.push(')');
        line
    };
    grants.iter().map(line).collect()
}
