//! Saying yes.

use keyway_plugin_api::{Capability, CapabilityRequest, PluginId, Selector};

use super::draft::Draft;
use super::install;
use super::switch;
use super::update;
use crate::catalog::error::CatalogError;
use crate::catalog::grant::{Approval, Grant, GrantSelection};
use crate::catalog::record::{ApprovalRecord, Authority};
use crate::digest::Digest;

pub(super) fn approve(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    approval: &Approval,
) -> Result<String, CatalogError> {
    refuse_stale(draft, plugin, approval)?;
    let was_approved = draft.entry(plugin)?.keyway.authority == Authority::Approved;
    let carried = if update::adopt_pending(draft, plugin)? || was_approved {
        draft.entry(plugin)?.keyway.grants.clone()
    } else {
        Vec::new()
    };
    let grants = grants_for(draft, plugin, approval)?;
    let tags: Vec<_> = grants.iter().flat_map(|g| g.capability.tags()).collect();
    record(draft, plugin, approval, merged(carried, grants));
    let slot = if draft.entry(plugin)?.enabled {
        String::new()
    } else if draft.entry(plugin)?.keyway.wants_enabled {
        let rest = install::settle(draft, plugin)?;
        match draft.entry(plugin)?.enabled {
            true => format!(" Enabled {}", switch::standing(draft, plugin)),
            false => rest,
        }
    } else {
        String::new()
    };
    let granted = match tags.as_slice() {
        [] => "nothing was asked for".to_owned(),
        tags => tags.join(", "),
    };
    Ok(format!("Approved {plugin}: {granted}.{slot}"))
}

/// Refuses an approval of other bytes than those that stand there (attack T40).
fn refuse_stale(
    draft: &Draft<'_>,
    plugin: &PluginId,
    approval: &Approval,
) -> Result<(), CatalogError> {
    let record = &draft.usable(plugin)?.keyway;
    let there = match &record.pending_update {
        Some(update) => update.candidate.declared.digest,
        None => record.declared.digest,
    };
    match approval.digest {
        Some(expected) if Some(expected) != there => Err(CatalogError::ApprovalStale {
            plugin: plugin.clone(),
            expected: expected.to_string(),
            found: there.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()),
        }),
        _ => Ok(()),
    }
}

fn record(draft: &mut Draft<'_>, plugin: &PluginId, approval: &Approval, grants: Vec<Grant>) {
    let at_ms = draft.now_ms;
    draft.edit(plugin, |entry| {
        let record = &mut entry.keyway;
        let held: Vec<_> = grants.iter().map(|grant| &grant.capability).collect();
        record
            .refusals
            .retain(|no| !no.capability.is_covered_by(held.iter().copied()));
        record.grants = grants;
        if record.authority != Authority::Approved {
            record.authority = Authority::Approved;
            record.disabled_reason = None;
        }
        record.approval = Some(ApprovalRecord {
            by: approval.by.clone(),
            at_ms,
            digest: record.declared.digest,
        });
    });
}

fn grants_for(
    draft: &Draft<'_>,
    plugin: &PluginId,
    approval: &Approval,
) -> Result<Vec<Grant>, CatalogError> {
    let entry = draft.entry(plugin)?;
    let requests = &entry.keyway.declared.requests;
    let capabilities = selected(plugin, requests, &approval.grants)?;
    let scope = approval.scope.as_ref().unwrap_or(&entry.keyway.scope);
    let grant = |capability| Grant {
        background: is_background(requests, &capability),
        capability,
        by: approval.by.clone(),
        at_ms: draft.now_ms,
        scope: scope.clone(),
        digest: entry.keyway.declared.digest,
        expires_at_ms: approval.expires_at_ms,
        uses_left: approval.uses,
    };
    Ok(capabilities.into_iter().map(grant).collect())
}

/// Tells whether a request asks for a capability outside calls too.
fn is_background(requests: &[CapabilityRequest], capability: &Capability) -> bool {
    let mut background = requests.iter().filter(|request| request.background);
    background.any(|request| request.capability.covers(capability))
}

/// Returns what an approval grants: every required request whole, of the optional ones what the
/// operator named.
fn selected(
    plugin: &PluginId,
    requests: &[CapabilityRequest],
    selection: &GrantSelection,
) -> Result<Vec<Capability>, CatalogError> {
    let all = matches!(selection, GrantSelection::All);
    let taken = requests.iter().filter(|request| all || !request.optional);
    let mut granted: Vec<_> = taken.map(|request| request.capability.clone()).collect();
    granted.retain(|capability| !capability.is_empty());
    if let GrantSelection::Tags(tags) = selection {
        for tag in tags {
            let parts = named_parts(plugin, requests, tag)?;
            for part in parts {
                if !part.is_covered_by(&granted) {
                    granted.push(part);
                }
            }
        }
    }
    Ok(granted)
}

/// Returns the parts of requests that a tag or another selector names.
pub(super) fn named_parts(
    plugin: &PluginId,
    requests: &[CapabilityRequest],
    tag: &str,
) -> Result<Vec<Capability>, CatalogError> {
    let capabilities = requests.iter().map(|request| &request.capability);
    let parts = parts_of(capabilities.clone(), tag);
    if parts.is_empty() {
        return Err(unknown_tag(plugin, tag, capabilities));
    }
    Ok(parts)
}

pub(super) fn parts_of<'a>(
    capabilities: impl Iterator<Item = &'a Capability>,
    tag: &str,
) -> Vec<Capability> {
    let Ok(selector) = Selector::parse(tag) else {
        return Vec::new();
    };
    capabilities.filter_map(|c| selector.select(c)).collect()
}

pub(super) fn unknown_tag<'a>(
    plugin: &PluginId,
    tag: &str,
    capabilities: impl Iterator<Item = &'a Capability>,
) -> CatalogError {
    CatalogError::UnknownTag {
        plugin: plugin.clone(),
        tag: tag.escape_default().to_string(),
        tags: capabilities.flat_map(Capability::tags).collect(),
    }
}

/// Adds new grants to those there are; a new one replaces those it covers.
fn merged(mut grants: Vec<Grant>, new: Vec<Grant>) -> Vec<Grant> {
    grants.retain(|old| {
        !new.iter().any(|grant| {
            grant.capability.covers(&old.capability) && grant.scope.contains(&old.scope)
        })
    });
    grants.extend(new);
    grants
}

pub(super) fn grant_one(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    grant: &Grant,
) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    if entry.keyway.authority != Authority::Approved {
        return Err(CatalogError::ApprovalPending {
            plugin: plugin.clone(),
        });
    }
    let asked = entry.keyway.declared.requests.iter().map(|r| &r.capability);
    let tags = grant.capability.tags();
    if tags.is_empty() || !grant.capability.is_covered_by(asked.clone()) {
        return Err(unknown_tag(plugin, &tags.join(", "), asked));
    }
    let stamped = Grant {
        at_ms: draft.now_ms,
        digest: entry.keyway.declared.digest,
        background: is_background(&entry.keyway.declared.requests, &grant.capability),
        ..grant.clone()
    };
    draft.edit(plugin, |entry| {
        let grants = std::mem::take(&mut entry.keyway.grants);
        entry.keyway.grants = merged(grants, vec![stamped]);
        let granted = &grant.capability;
        entry
            .keyway
            .refusals
            .retain(|no| !granted.covers(&no.capability));
    });
    Ok(format!("Granted {plugin}: {}.", tags.join(", ")))
}

/// Pins grants to new bytes, and narrows them to what is still asked for.
pub(super) fn carried_over(
    grants: &[Grant],
    requests: &[CapabilityRequest],
    digest: Option<Digest>,
) -> Vec<Grant> {
    let mut kept = Vec::new();
    for grant in grants {
        let still = requests.iter().filter_map(|request| {
            let capability = request.capability.intersect(&grant.capability)?;
            Some((capability, request.background))
        });
        for (capability, background) in still {
            let grant = Grant {
                capability,
                digest,
                background: grant.background && background,
                ..grant.clone()
            };
            if !kept.contains(&grant) {
                kept.push(grant);
            }
        }
    }
    kept
}

/// Returns the tags of a required request that the grants do not cover.
pub(super) fn missing_required(requests: &[CapabilityRequest], grants: &[Grant]) -> Option<String> {
    let held: Vec<_> = grants.iter().map(|grant| &grant.capability).collect();
    let mut required = requests.iter().filter(|request| !request.optional);
    let missing = required.find(|r| !r.capability.is_covered_by(held.iter().copied()))?;
    Some(missing.capability.tags().join(", "))
}
