//! The capabilities that a manifest asks for. The vocabulary is closed: an unknown kind, or an
//! unknown field in a known kind, is a problem, because it could mean more than we would show.

use std::collections::BTreeSet;

use serde_json::Value;

use super::choice;
use super::parse::Fields;
use super::report::{At, Report, Unknown, shown};
use crate::capability::ItemKind;
use crate::{Capability, CapabilityRequest, SurfaceVerb};

/// Reads the list of requests, in its order.
pub(super) fn read(
    value: Option<&Value>,
    parent: At<'_>,
    report: &mut Report,
) -> Vec<CapabilityRequest> {
    let at = parent.key("capabilities");
    let items = value.and_then(|v| report.list(at, v));
    let items = items.map(Vec::as_slice).unwrap_or_default();
    let mut requests = Vec::new();
    for (i, item) in items.iter().enumerate() {
        requests.extend(read_request(item, at.index(i), report));
    }
    requests
}

fn read_request(value: &Value, at: At<'_>, report: &mut Report) -> Option<CapabilityRequest> {
    let fields = report.object(at, value)?;
    let capability = read_capability(fields, at, report);
    let reason = fields.get("reason");
    let reason = reason.and_then(|v| report.text(at.key("reason"), v));
    let optional = fields.get("optional");
    let optional = optional.and_then(|v| report.flag(at.key("optional"), v));
    let background = fields.get("background");
    let background = background.and_then(|v| report.flag(at.key("background"), v));
    let capability = capability?;
    note_oddities(&capability, at, report);
    Some(CapabilityRequest {
        capability,
        reason: reason.map(str::to_owned),
        optional: optional.unwrap_or(false),
        background: background.unwrap_or(false),
    })
}

fn read_capability(fields: &Fields, at: At<'_>, report: &mut Report) -> Option<Capability> {
    let Some(kind) = fields.get("kind") else {
        report.missing(at, "kind", &choice::CAPABILITY.list());
        return None;
    };
    let kind = choice::CAPABILITY.read(kind, at.key("kind"), report)?;
    let mut reader = Reader { fields, at, report };
    let (own, capability): (&[&str], _) = match kind {
        "filesystem" => (&["read", "write"], reader.filesystem()),
        "model" => (&["providers"], reader.model()),
        "network" => (&["hosts", "methods"], reader.network()),
        "process" => (&["programs"], reader.process()),
        "secret" => (&["names"], reader.secret()),
        "state" => (&["quotaBytes"], reader.state()),
        "surface" => (&["surface", "verbs"], reader.surface()),
        _ => (&["tools"], reader.tool()),
    };
    let known = [&["kind"], own, &["reason", "optional", "background"]].concat();
    report.unknown_fields(at, fields, &known, Unknown::Problem);
    capability
}

/// Reads the fields of one capability. Each family reports what is missing and malformed.
struct Reader<'a, 'r> {
    fields: &'a Fields,
    at: At<'a>,
    report: &'r mut Report,
}

impl Reader<'_, '_> {
    fn filesystem(&mut self) -> Option<Capability> {
        if !self.fields.contains_key("read") && !self.fields.contains_key("write") {
            let hint = "list the paths to read or write, as in \"read\": [\"./repo\"]";
            self.report.missing(self.at, "read", hint);
            return None;
        }
        Some(Capability::Filesystem {
            read: self.items("read", ItemKind::Path),
            write: self.items("write", ItemKind::Path),
        })
    }

    fn model(&mut self) -> Option<Capability> {
        let providers = self.required("providers", ItemKind::Provider)?;
        Some(Capability::Model { providers })
    }

    fn network(&mut self) -> Option<Capability> {
        let hosts = self.required("hosts", ItemKind::Host);
        let narrowed = self.fields.contains_key("methods");
        let methods = narrowed.then(|| self.items("methods", ItemKind::Method));
        Some(Capability::Network {
            hosts: hosts?,
            methods,
        })
    }

    fn process(&mut self) -> Option<Capability> {
        let programs = self.required("programs", ItemKind::Program)?;
        Some(Capability::Process { programs })
    }

    fn secret(&mut self) -> Option<Capability> {
        let names = self.required("names", ItemKind::Secret)?;
        Some(Capability::Secret { names })
    }

    fn state(&mut self) -> Option<Capability> {
        let Some(value) = self.fields.get("quotaBytes") else {
            let hint = "say how many bytes, as in \"quotaBytes\": 1048576";
            self.report.missing(self.at, "quotaBytes", hint);
            return None;
        };
        let quota_bytes = self.report.count(self.at.key("quotaBytes"), value)?;
        Some(Capability::State { quota_bytes })
    }

    fn surface(&mut self) -> Option<Capability> {
        let surface = self.surface_name();
        let verbs = self.verbs();
        Some(Capability::Surface {
            surface: surface?,
            verbs: verbs?,
        })
    }

    fn tool(&mut self) -> Option<Capability> {
        let tools = self.required("tools", ItemKind::Tool)?;
        Some(Capability::Tool { tools })
    }

    fn surface_name(&mut self) -> Option<String> {
        let at = self.at.key("surface");
        let Some(value) = self.fields.get("surface") else {
            self.report
                .missing(self.at, "surface", "name the surface, as in \"inbox\"");
            return None;
        };
        let text = self.report.text(at, value)?;
        read_item(self.report, at, ItemKind::Surface, text)
    }

    fn verbs(&mut self) -> Option<BTreeSet<SurfaceVerb>> {
        if !self.fields.contains_key("verbs") {
            self.report.missing(self.at, "verbs", &choice::VERB.list());
            return None;
        }
        Some(self.distinct("verbs", |report, at, text| {
            choice::VERB.pick(text, at, report)
        }))
    }

    fn required(&mut self, key: &str, kind: ItemKind) -> Option<BTreeSet<String>> {
        if !self.fields.contains_key(key) {
            let hint = "say which; a capability never means everything";
            self.report.missing(self.at, key, hint);
            return None;
        }
        Some(self.items(key, kind))
    }

    fn items(&mut self, key: &str, kind: ItemKind) -> BTreeSet<String> {
        self.distinct(key, |report, at, text| read_item(report, at, kind, text))
    }

    /// Reads a list of texts in which each thing should stand once.
    fn distinct<T: Ord>(
        &mut self,
        key: &str,
        read: impl Fn(&mut Report, At<'_>, &str) -> Option<T>,
    ) -> BTreeSet<T> {
        let mut found = BTreeSet::new();
        let (at, value) = (self.at.key(key), self.fields.get(key));
        self.report.texts(at, value, |report, at, text| {
            let one = read(report, at, text);
            if one.is_some_and(|one| !found.insert(one)) {
                note_twice(report, at, text);
            }
        });
        found
    }
}

fn read_item(report: &mut Report, at: At<'_>, kind: ItemKind, text: &str) -> Option<String> {
    match kind.canonical(text) {
        Ok(item) => Some(item),
        Err(error) => {
            let message = format!("`{}` is refused", shown(text));
            report.problem_with_hint(at, error.code, message, error.rule);
            None
        }
    }
}

fn note_twice(report: &mut Report, at: At<'_>, text: &str) {
    let message = format!("`{}` stands twice", shown(text));
    report.notice(at, "DUPLICATE_ITEM", message);
}

/// Notes requests that are legal and probably not meant.
fn note_oddities(capability: &Capability, at: At<'_>, report: &mut Report) {
    if capability.is_empty() {
        let message = "asks for nothing: an empty constraint never means everything";
        report.notice(at, "EMPTY_CONSTRAINT", message);
    }
    let Capability::Network { hosts, .. } = capability else {
        return;
    };
    for host in hosts.iter().filter(|host| host.matches('.').count() == 1) {
        if let Some(domain) = host.strip_prefix("*.") {
            let message = format!("`{host}` is every host under `{domain}`");
            report.notice(at.key("hosts"), "WIDE_HOST", message);
        }
    }
}
