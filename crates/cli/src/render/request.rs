//! What a plugin asks for, one line for each tag.

use keyway_host::catalog::{Authority, Candidate, CatalogEntry, EntryRecord, Grant};
use keyway_plugin_api::{Capability, CapabilityRequest};

use crate::output::shown;

/// Lays out what a package asks for before anything is decided: a title, then its requests.
pub(crate) fn asks(candidate: &Candidate) -> Vec<String> {
    let (manifest, declared) = (&candidate.manifest, &candidate.declared);
    let risk = declared
        .risk
        .map(|risk| format!(" (risk: {risk})"))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{} {}{risk} asks to:",
        manifest.name, manifest.version
    )];
    if let Some(launch) = &declared.launch {
        lines.push(format!("run code: {}", shown(launch)));
    }
    let servers = declared
        .contributions
        .iter()
        .filter(|word| word.starts_with("mcp:"));
    lines.extend(servers.map(|server| format!("run code: {}", shown(server))));
    for request in &declared.requests {
        let need = need(request);
        let (when, why) = (when(request.background), reason(request));
        lines.extend(tags_of(request).map(|tag| format!("use {tag}{when} [{need}]{why}")));
    }
    lines
}

/// Lays out what an installed plugin asks for, with what became of it.
pub(super) fn requests(entry: &CatalogEntry, judged_ms: i64) -> Vec<String> {
    let record = &entry.keyway;
    let mut lines = Vec::new();
    for request in &record.declared.requests {
        for atom in request.capability.atoms() {
            let tag = atom.tags().join(", ") + when(request.background);
            let (need, answer) = (need(request), answer(record, &atom, judged_ms));
            lines.push(shown(&format!("{tag} [{need}, {answer}]")) + &reason(request));
        }
    }
    lines
}

fn answer(record: &EntryRecord, atom: &Capability, judged_ms: i64) -> &'static str {
    let (live, ended): (Vec<_>, Vec<_>) = record
        .grants
        .iter()
        .partition(|grant| grant.is_unexpired(judged_ms));
    let covered = |grants: &[&Grant]| atom.is_covered_by(grants.iter().map(|g| &g.capability));
    match record.authority {
        _ if covered(&live) => "granted",
        _ if covered(&ended) => "expired",
        Authority::PendingApproval => "pending",
        _ => "denied",
    }
}

fn need(request: &CapabilityRequest) -> &'static str {
    if request.optional {
        "optional"
    } else {
        "required"
    }
}

/// Says beside a tag that it is wanted, or granted, outside calls too.
pub(super) fn when(background: bool) -> &'static str {
    if background {
        " (also in background)"
    } else {
        ""
    }
}

fn tags_of(request: &CapabilityRequest) -> impl Iterator<Item = String> {
    request.capability.tags().into_iter().map(|tag| shown(&tag))
}

fn reason(request: &CapabilityRequest) -> String {
    let why = request.reason.as_deref().map(shown);
    why.map(|why| format!(": {why}")).unwrap_or_default()
}
