//! Runs plugins' hooks at named points, each within its authority and its time.
//!
//! Order: trust (builtin first), then plugin id, then the order of registration. A gate hook that
//! blocks, hangs or panics blocks the call; an observer or transformer that fails is skipped, and
//! switched off after [`FAILURES_ALLOWED`] failures in a row.

mod table;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyway_plugin_api::{HookAuthority, HookEvent, HookVerdict, PluginId};
use serde_json::Value;

pub(crate) use table::{HookEntry, HookTable, bit};

use crate::panics::catch_async;

/// Failures in a row after which an observer or a transformer is switched off.
pub const FAILURES_ALLOWED: u32 = 5;

/// Says that a gate hook stopped what was about to happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hook of {plugin} blocked: {reason}")]
#[non_exhaustive]
pub struct HookBlocked {
    /// The plugin whose hook it was.
    pub plugin: PluginId,
    /// Its reason, or what went wrong with it.
    pub reason: String,
}

impl HookBlocked {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "HOOK_BLOCKED"
    }
}

/// What a chain of hooks did, for the audit trail.
#[derive(Debug, Default)]
pub(crate) struct ChainReport {
    /// Plugins that rewrote the payload, in order.
    pub(crate) rewrote: Vec<PluginId>,
    /// Plugins whose hook failed, with the failure.
    pub(crate) failed: Vec<(PluginId, String)>,
}

/// Runs the hooks of one point over an event.
pub(crate) async fn run_chain(
    hooks: &[Arc<HookEntry>],
    event: &mut HookEvent,
    limit: Duration,
    report: &mut ChainReport,
) -> Result<(), HookBlocked> {
    for entry in hooks {
        if entry.failures.load(Ordering::Relaxed) >= FAILURES_ALLOWED
            && entry.authority != HookAuthority::Gate
        {
            continue;
        }
        match run_one(entry, event, limit).await {
            Ok(verdict) => apply(entry, verdict, &mut event.payload, report)?,
            Err(failure) => fail(entry, failure, report)?,
        }
    }
    Ok(())
}

async fn run_one(
    entry: &HookEntry,
    event: &HookEvent,
    limit: Duration,
) -> Result<HookVerdict, String> {
    match tokio::time::timeout(limit, catch_async(entry.hook.run(event))).await {
        Ok(Ok(verdict)) => Ok(verdict),
        Ok(Err(panic)) => Err(format!("panicked: {panic}")),
        Err(_) => Err(format!("took longer than {} ms", limit.as_millis())),
    }
}

fn apply(
    entry: &HookEntry,
    verdict: HookVerdict,
    payload: &mut Value,
    report: &mut ChainReport,
) -> Result<(), HookBlocked> {
    entry.failures.store(0, Ordering::Relaxed);
    match (verdict, entry.authority) {
        (HookVerdict::Block { reason }, HookAuthority::Gate) => Err(HookBlocked {
            plugin: entry.plugin.clone(),
            reason,
        }),
        (HookVerdict::Rewrite(next), HookAuthority::Gate | HookAuthority::Transform) => {
            *payload = next;
            report.rewrote.push(entry.plugin.clone());
            Ok(())
        }
        (HookVerdict::Continue, _) => Ok(()),
        // A verdict beyond the hook's authority is no verdict, and the trail says so.
        _ => {
            let failure = "answered beyond its authority".to_owned();
            report.failed.push((entry.plugin.clone(), failure));
            Ok(())
        }
    }
}

fn fail(entry: &HookEntry, failure: String, report: &mut ChainReport) -> Result<(), HookBlocked> {
    entry.failures.fetch_add(1, Ordering::Relaxed);
    if entry.authority == HookAuthority::Gate {
        return Err(HookBlocked {
            plugin: entry.plugin.clone(),
            reason: failure,
        });
    }
    report.failed.push((entry.plugin.clone(), failure));
    Ok(())
}
