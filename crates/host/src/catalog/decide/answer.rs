//! Answers to single calls, and what is used up or expires.

use keyway_plugin_api::{Capability, PluginId};

use super::approve;
use super::draft::Draft;
use super::rule;
use crate::catalog::error::CatalogError;
use crate::catalog::permission::{CallAnswer, CallApproval, CallQuestion};
use crate::scope::Scope;

/// Questions that wait at most; calls of agents make them, so they are bounded.
const QUESTIONS_MAX: usize = 256;
/// Bytes of a question's preview.
const PREVIEW_MAX: usize = 4096;
/// How long a no, or a question without an answer, is kept: a day.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) fn ask(draft: &mut Draft<'_>, question: &CallQuestion) -> Result<String, CatalogError> {
    let id = question.id();
    if draft.next.keyway.call_approvals.contains_key(&id) {
        draft.idle();
        return Ok(format!("{id} waits already."));
    }
    let calls = &mut draft.next.keyway.call_approvals;
    let waiting = calls.values().filter(|call| call.answer.is_none()).count();
    rule::at_most("number of waiting calls", waiting + 1, QUESTIONS_MAX)?;
    rule::at_most(
        "length of a call's preview",
        question.preview.len(),
        PREVIEW_MAX,
    )?;
    let call = CallApproval {
        question: question.clone(),
        at_ms: draft.now_ms,
        answer: None,
    };
    calls.insert(id.clone(), call);
    Ok(format!("{id} waits for an operator."))
}

fn no_call(id: &str) -> CatalogError {
    CatalogError::NoSuch {
        what: "waiting call",
        id: id.escape_default().to_string(),
    }
}

pub(super) fn answer(
    draft: &mut Draft<'_>,
    id: &str,
    answer: &CallAnswer,
) -> Result<String, CatalogError> {
    let now_ms = draft.now_ms;
    let calls = &mut draft.next.keyway.call_approvals;
    let call = calls.get_mut(id).ok_or_else(|| no_call(id))?;
    call.answer = Some(CallAnswer {
        at_ms: now_ms,
        ..answer.clone()
    });
    let verb = if answer.allow { "Allowed" } else { "Refused" };
    Ok(format!(
        "{verb} {id}: {} for {}.",
        call.question.tool, call.question.caller
    ))
}

pub(super) fn spend(draft: &mut Draft<'_>, id: &str) -> Result<String, CatalogError> {
    let calls = &mut draft.next.keyway.call_approvals;
    let call = calls.get_mut(id).ok_or_else(|| no_call(id))?;
    let uses = call.answer.as_mut().and_then(|a| a.uses_left.as_mut());
    match uses {
        None => draft.idle(),
        Some(0 | 1) => {
            calls.remove(id);
        }
        Some(uses) => *uses -= 1,
    }
    Ok(format!("Used {id}."))
}

pub(super) fn spend_grant(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    tag: &str,
    caller: &Scope,
) -> Result<String, CatalogError> {
    let grants = &draft.usable(plugin)?.keyway.grants;
    let held = grants.iter().map(|grant| &grant.capability);
    let Ok(used) = Capability::parse_tag(tag) else {
        return Err(approve::unknown_tag(plugin, tag, held));
    };
    let now_ms = draft.now_ms;
    let mut usable = grants.iter().enumerate().filter(|(_, grant)| {
        grant.is_unexpired(now_ms) && grant.scope.contains(caller) && grant.capability.covers(&used)
    });
    // An unlimited grant is used before a limited one.
    let pick = usable
        .clone()
        .find(|(_, grant)| grant.uses_left.is_none())
        .or_else(|| usable.next());
    let Some((at, grant)) = pick else {
        return Err(CatalogError::CapabilityDenied {
            plugin: plugin.clone(),
            reason: format!("no grant for {} has uses left", tag.escape_default()),
        });
    };
    if grant.uses_left.is_none() {
        draft.idle();
        return Ok(format!("{plugin} may use {tag} without limit."));
    }
    let mut left = 0;
    draft.edit(plugin, |entry| {
        if let Some(uses) = entry
            .keyway
            .grants
            .get_mut(at)
            .and_then(|g| g.uses_left.as_mut())
        {
            *uses = uses.saturating_sub(1);
            left = *uses;
        }
    });
    Ok(format!("{plugin} used {tag}, {left} left."))
}

/// Drops what expired. A clock that steps back later cannot bring it back.
pub(super) fn sweep(draft: &mut Draft<'_>) -> String {
    let now_ms = draft.now_ms;
    let expired = |entry: &crate::catalog::CatalogEntry| {
        entry.keyway.grants.iter().any(|g| !g.is_unexpired(now_ms))
    };
    let entries = draft.next.entries.iter();
    let affected: Vec<_> = entries
        .filter(|(_, entry)| expired(entry))
        .map(|(id, _)| id.clone())
        .collect();
    for plugin in &affected {
        draft.edit(plugin, |entry| {
            entry
                .keyway
                .grants
                .retain(|grant| grant.is_unexpired(now_ms));
        });
    }
    let calls = &mut draft.next.keyway.call_approvals;
    let before = calls.len();
    calls.retain(|_, call| !is_stale(call, now_ms));
    let dropped = before - calls.len();
    if affected.is_empty() && dropped == 0 {
        draft.idle();
    }
    format!(
        "Dropped expired grants of {} plugins and {dropped} calls.",
        affected.len()
    )
}

fn is_stale(call: &CallApproval, now_ms: i64) -> bool {
    let is_old = |at_ms: i64| now_ms.saturating_sub(at_ms) > STALE_MS;
    match &call.answer {
        None => is_old(call.at_ms),
        Some(answer) if !answer.allow => is_old(answer.at_ms),
        Some(answer) => {
            answer.uses_left == Some(0) || answer.expires_at_ms.is_some_and(|end| end <= now_ms)
        }
    }
}
