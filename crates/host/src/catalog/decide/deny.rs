//! Saying no: to a request, to a plugin, for good.

use std::collections::BTreeSet;

use keyway_plugin_api::{Capability, PluginId};

use super::approve;
use super::draft::Draft;
use crate::catalog::error::CatalogError;
use crate::catalog::grant::Grant;
use crate::catalog::plan::CatalogEvent;
use crate::catalog::record::{Authority, Refusal, Revocation};
use crate::operator::OperatorId;

/// Who says no, and why.
pub(super) struct No<'a> {
    by: &'a OperatorId,
    reason: Option<&'a str>,
}

impl<'a> No<'a> {
    pub(super) fn new(by: &'a OperatorId, reason: Option<&'a str>) -> Self {
        Self { by, reason }
    }

    fn because(&self) -> String {
        match self.reason {
            Some(reason) => format!("denied by {}: {reason}", self.by),
            None => format!("denied by {}", self.by),
        }
    }
}

pub(super) fn deny(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    no: &No<'_>,
    tags: &BTreeSet<String>,
) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    let goes_on = entry.keyway.authority == Authority::Approved;
    if tags.is_empty() && goes_on && entry.keyway.pending_update.is_some() {
        return Ok(deny_update(draft, plugin));
    }
    if tags.is_empty() {
        return Ok(deny_plugin(draft, plugin, &no.because()));
    }
    let refused = refused_parts(draft, plugin, tags)?;
    note_refusals(draft, plugin, no, &refused);
    let record = &draft.entry(plugin)?.keyway;
    let required = record.declared.requests.iter().filter(|r| !r.optional);
    let needed = required.map(|request| &request.capability);
    let essential = first_overlap(needed, &refused);
    match essential {
        Some(tag) => Ok(deny_plugin(
            draft,
            plugin,
            &format!("{}; {tag} is required", no.because()),
        )),
        None => {
            let tags: Vec<_> = refused.iter().flat_map(Capability::tags).collect();
            Ok(format!("Denied {plugin}: {}.", tags.join(", ")))
        }
    }
}

fn refused_parts(
    draft: &Draft<'_>,
    plugin: &PluginId,
    tags: &BTreeSet<String>,
) -> Result<Vec<Capability>, CatalogError> {
    let requests = &draft.entry(plugin)?.keyway.declared.requests;
    let mut refused = Vec::new();
    for tag in tags {
        refused.extend(approve::named_parts(plugin, requests, tag)?);
    }
    Ok(refused)
}

fn first_overlap<'a>(
    mut needed: impl Iterator<Item = &'a Capability>,
    refused: &[Capability],
) -> Option<String> {
    needed.find_map(|needed| {
        let mut met = refused.iter().filter_map(|no| needed.intersect(no));
        met.next().map(|part| part.tags().join(", "))
    })
}

fn note_refusals(draft: &mut Draft<'_>, plugin: &PluginId, no: &No<'_>, refused: &[Capability]) {
    let at_ms = draft.now_ms;
    draft.edit(plugin, |entry| {
        let record = &mut entry.keyway;
        record.grants = without(&record.grants, refused);
        record
            .refusals
            .retain(|old| !refused.contains(&old.capability));
        record
            .refusals
            .extend(refused.iter().map(|capability| Refusal {
                capability: capability.clone(),
                by: no.by.clone(),
                at_ms,
                reason: no.reason.map(str::to_owned),
            }));
    });
}

/// Returns grants without the refused parts. A grant that is only partly refused falls apart
/// into its items, of which the refused ones go; one that is wider than an item (`*.example.com`
/// where `a.example.com` is refused) goes whole, because what is left has no name.
fn without(grants: &[Grant], refused: &[Capability]) -> Vec<Grant> {
    let meets = |c: &Capability| refused.iter().any(|no| no.intersect(c).is_some());
    let mut kept = Vec::new();
    for grant in grants {
        if !meets(&grant.capability) {
            kept.push(grant.clone());
            continue;
        }
        let atoms = grant.capability.atoms().into_iter();
        kept.extend(atoms.filter(|atom| !meets(atom)).map(|capability| Grant {
            capability,
            ..grant.clone()
        }));
    }
    kept
}

fn deny_update(draft: &mut Draft<'_>, plugin: &PluginId) -> String {
    let mut version = String::new();
    draft.edit(plugin, |entry| {
        if let Some(update) = entry.keyway.pending_update.take() {
            version = update.candidate.manifest.version.to_string();
        }
    });
    format!("Denied the update of {plugin} to {version}. What was approved stays.")
}

fn deny_plugin(draft: &mut Draft<'_>, plugin: &PluginId, reason: &str) -> String {
    draft.suspend(plugin, Authority::Denied, reason);
    draft.edit(plugin, |entry| {
        entry.keyway.grants.clear();
        entry.keyway.approval = None;
    });
    format!("Denied {plugin}: {reason}.")
}

pub(super) fn revoke_grant(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    tag: &str,
    by: &OperatorId,
) -> Result<String, CatalogError> {
    let record = &draft.usable(plugin)?.keyway;
    let held = record.grants.iter().map(|grant| &grant.capability);
    let parts = approve::parts_of(held.clone(), tag);
    if parts.is_empty() {
        return Err(approve::unknown_tag(plugin, tag, held));
    }
    let left = without(&record.grants, &parts);
    let missing = approve::missing_required(&record.declared.requests, &left);
    draft.edit(plugin, |entry| entry.keyway.grants = left);
    let message = format!("Took back from {plugin}: {}.", tag.escape_default());
    match missing {
        None => Ok(message),
        Some(tags) => {
            let reason = format!("{by} revoked {tags}, which is required");
            let denied = deny_plugin(draft, plugin, &reason);
            Ok(format!("{message} {denied}"))
        }
    }
}

pub(super) fn revoke(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    by: &OperatorId,
    reason: &str,
) -> Result<String, CatalogError> {
    let record = &draft.usable(plugin)?.keyway;
    let revocation = Revocation {
        by: by.clone(),
        at_ms: draft.now_ms,
        reason: reason.to_owned(),
        digest: record.declared.digest,
        grants: record.grants.clone(),
    };
    draft.suspend(
        plugin,
        Authority::Revoked,
        &format!("revoked by {by}: {reason}"),
    );
    draft.edit(plugin, |entry| {
        entry.keyway.grants.clear();
        entry.keyway.approval = None;
        entry.keyway.pending_update = None;
    });
    let revocations = &mut draft.next.keyway.revocations;
    revocations.insert(plugin.clone(), revocation);
    Ok(format!(
        "Revoked {plugin}. It cannot be installed or approved again."
    ))
}

pub(super) fn clear_revocation(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    by: &OperatorId,
) -> Result<String, CatalogError> {
    if draft.next.keyway.revocations.remove(plugin).is_none() {
        return Err(CatalogError::NotRevoked {
            plugin: plugin.clone(),
        });
    }
    draft.edit(plugin, |entry| {
        entry.keyway.authority = Authority::PendingApproval;
        entry.keyway.disabled_reason = Some("its revocation was cleared".to_owned());
    });
    let message = format!("{by} cleared the revocation of {plugin}");
    let event = CatalogEvent::warning("REVOCATION_CLEARED", Some(plugin), message);
    draft.events.push(event);
    Ok(format!(
        "Cleared the revocation of {plugin}. It is not approved."
    ))
}
