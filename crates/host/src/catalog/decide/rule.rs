//! Scopes, rules about optional tools, proposals.

use keyway_plugin_api::{AgentId, PluginId};

use super::draft::Draft;
use crate::catalog::error::CatalogError;
use crate::catalog::permission::{RuleTarget, ToolRule};
use crate::catalog::plan::CatalogEvent;
use crate::catalog::record::Proposal;
use crate::operator::OperatorId;
use crate::scope::Scope;

/// Proposals that wait at most; agents write them, so they are bounded.
const PROPOSALS_MAX: usize = 128;
/// Bytes of a proposal's source and of its reason.
const PROPOSAL_TEXT_MAX: usize = 2048;

pub(super) fn set_scope(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    scope: &Scope,
) -> Result<String, CatalogError> {
    let old = draft.usable(plugin)?.keyway.scope.clone();
    if old == *scope {
        draft.idle();
    }
    if scope.contains(&old) && old != *scope {
        let message = format!("{plugin} applies to {scope} now, before to {old}");
        let event = CatalogEvent::warning("SCOPE_WIDENED", Some(plugin), message);
        draft.events.push(event);
    }
    draft.edit(plugin, |entry| entry.keyway.scope = scope.clone());
    Ok(format!("Scope of {plugin}: {scope}."))
}

pub(super) fn set(
    draft: &mut Draft<'_>,
    target: &RuleTarget,
    allow: bool,
    scope: &Scope,
    by: &OperatorId,
) -> Result<String, CatalogError> {
    if let RuleTarget::Plugin(plugin) = target {
        draft.entry(plugin)?;
    }
    let rules = &mut draft.next.keyway.tool_rules;
    rules.retain(|rule| !(rule.target == *target && rule.scope == *scope));
    rules.push(ToolRule {
        target: target.clone(),
        allow,
        scope: scope.clone(),
        by: by.clone(),
        at_ms: draft.now_ms,
    });
    let verb = if allow { "Allowed" } else { "Disallowed" };
    Ok(format!("{verb} {target} for {scope}."))
}

pub(super) fn forget(
    draft: &mut Draft<'_>,
    target: &RuleTarget,
    scope: &Scope,
) -> Result<String, CatalogError> {
    let rules = &mut draft.next.keyway.tool_rules;
    let before = rules.len();
    rules.retain(|rule| !(rule.target == *target && rule.scope == *scope));
    if rules.len() == before {
        return Err(CatalogError::NoSuch {
            what: "tool rule",
            id: format!("{target} for {scope}"),
        });
    }
    Ok(format!("Forgot the rule about {target} for {scope}."))
}

pub(super) fn propose(
    draft: &mut Draft<'_>,
    source: &str,
    why: &str,
    by: &AgentId,
) -> Result<String, CatalogError> {
    let id = format!("proposal-{}", draft.base.revision() + 1);
    let proposals = &mut draft.next.keyway.proposals;
    at_most(
        "number of waiting proposals",
        proposals.len() + 1,
        PROPOSALS_MAX,
    )?;
    at_most(
        "length of a proposal's source",
        source.len(),
        PROPOSAL_TEXT_MAX,
    )?;
    at_most(
        "length of a proposal's reason",
        why.len(),
        PROPOSAL_TEXT_MAX,
    )?;
    let proposal = Proposal {
        source: source.to_owned(),
        why: why.to_owned(),
        by: by.clone(),
        at_ms: draft.now_ms,
    };
    proposals.insert(id.clone(), proposal);
    Ok(format!("Proposed as {id}. An operator decides."))
}

pub(super) fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), CatalogError> {
    if found <= limit {
        return Ok(());
    }
    Err(CatalogError::TooMuch { what, found, limit })
}

pub(super) fn drop_proposal(draft: &mut Draft<'_>, id: &str) -> Result<String, CatalogError> {
    if draft.next.keyway.proposals.remove(id).is_none() {
        return Err(CatalogError::NoSuch {
            what: "proposal",
            id: id.escape_default().to_string(),
        });
    }
    Ok(format!("Dropped {id}."))
}
