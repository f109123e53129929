//! From a name to a tool that this caller may know of.

use std::sync::Arc;

use arc_swap::Guard;
use keyway_plugin_api::{Denial, DenialReason, PluginId};

use super::CallError;
use crate::caller::{Caller, Origin};
use crate::engine::Engine;
use crate::gate::{Holdings, Standing};
use crate::registry::{RegistrySnapshot, ToolEntry};

/// Tells whether a tool exists for a caller. Listing and calling use this same test, so nothing is
/// hidden and callable.
pub(crate) fn is_visible(tool: &ToolEntry, caller: &Caller) -> bool {
    is_visible_under(&tool.holdings().load(), tool, caller)
}

/// Tells whether a tool exists for a caller while its plugin holds this.
pub(crate) fn is_visible_under(holdings: &Holdings, tool: &ToolEntry, caller: &Caller) -> bool {
    holdings.scope().contains(caller.scope())
        && holdings.standing() == Standing::Running
        && (!tool.is_optional() || holdings.allows_optional(tool, caller))
}

/// A tool that a caller may know of, and what its plugin held when it was found.
pub(crate) struct Found {
    pub(crate) tool: Arc<ToolEntry>,
    pub(crate) held: Guard<Arc<Holdings>>,
}

impl Found {
    fn of(tool: Arc<ToolEntry>) -> Self {
        let held = tool.holdings().load();
        Self { tool, held }
    }
}

/// Finds a tool by its canonical name, or by its bare name while that is unambiguous here.
pub(crate) fn resolve(engine: &Engine, caller: &Caller, name: &str) -> Result<Found, CallError> {
    // A tool outside the caller's scope is unknown to it; one that is stopped, revoked or waiting
    // for a rule is known, and the gate says why it does not run.
    let is_known = |found: &Found| found.held.scope().contains(caller.scope());
    match engine.registry.tool(name).map(Found::of).filter(is_known) {
        Some(found) => Ok(found),
        None => resolve_otherwise(engine, caller, name),
    }
}

/// Finds what no tool is called in so many words: the bare name of one, or why there is none.
fn resolve_otherwise(engine: &Engine, caller: &Caller, name: &str) -> Result<Found, CallError> {
    if let Some(denial) = gone(engine, caller, name) {
        return Err(CallError::Denied(Box::new(denial)));
    }
    let snapshot = engine.registry.snapshot();
    let found = by_alias(&snapshot, caller, name).map(Found::of);
    found.ok_or_else(|| CallError::UnknownTool {
        name: name
            .chars()
            .take(80)
            .flat_map(char::escape_default)
            .collect(),
        nearest: nearest(&snapshot, caller, name),
    })
}

/// Says that a plugin was revoked or has failed, to a caller who may know of the plugin: a model
/// that remembers one of its tools should not look for another spelling.
fn gone(engine: &Engine, caller: &Caller, name: &str) -> Option<Denial> {
    let (plugin, _) = name.split_once('/')?;
    let plugin = PluginId::parse(plugin).ok()?;
    let cell = engine.cell(&plugin)?;
    let holdings = cell.load();
    if !holdings.scope().contains(caller.scope()) {
        return None;
    }
    match holdings.standing() {
        Standing::Revoked => Some(Denial::new(DenialReason::Revoked, name, "a call")),
        Standing::Down => Some(
            Denial::new(DenialReason::NotRunning, name, "a call")
                .with_command(format!("keyway plugin info {plugin}")),
        ),
        Standing::Running | Standing::Stopped => None,
    }
}

fn by_alias(snapshot: &RegistrySnapshot, caller: &Caller, name: &str) -> Option<Arc<ToolEntry>> {
    if name.contains('/') {
        return None;
    }
    let mut visible = snapshot
        .shaped_like(name)
        .filter(|tool| is_visible(tool, caller));
    let only = visible.next()?;
    if visible.next().is_some() || only.id().tool().as_str() != name {
        return None;
    }
    // A plugin's bare names are for models; between plugins only full names count.
    (!matches!(caller.origin(), Origin::Plugin(_))).then(|| Arc::clone(only))
}

/// How many tools are looked at for a suggestion; an unknown name must stay cheap.
const SUGGEST_AMONG: usize = 1000;

fn nearest(snapshot: &RegistrySnapshot, caller: &Caller, name: &str) -> Option<String> {
    let bare = name.rsplit('/').next().unwrap_or(name);
    let tools = snapshot
        .tools()
        .take(SUGGEST_AMONG)
        .filter(|tool| is_visible(tool, caller));
    let scored = tools.map(|tool| (distance(bare, tool.id().tool().as_str()), tool));
    let (score, tool) = scored.min_by_key(|(score, tool)| (*score, tool.id().clone()))?;
    (score <= bare.len() / 3 + 1).then(|| tool.name().to_owned())
}

/// Edit distance, for names of at most 64 bytes.
fn distance(a: &str, b: &str) -> usize {
    let a = &a.as_bytes()[..a.len().min(64)];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substitute = diagonal + usize::from(*x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
