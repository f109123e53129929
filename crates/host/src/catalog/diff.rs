//! What a new version widens or changes, in words (settlement 22).

use std::collections::{BTreeMap, BTreeSet};

use keyway_plugin_api::{NeedsDiff, ToolName};

use super::candidate::Candidate;
use super::state::CatalogEntry;
use crate::digest::Digest;

/// Returns one line for everything an operator has to look at; nothing when the new version
/// asks for the same or less.
pub(super) fn lines(old: &CatalogEntry, new: &Candidate) -> Vec<String> {
    let (before, after) = (&old.keyway.declared, &new.declared);
    let needs = NeedsDiff::of_requests(&before.requests, &after.requests);
    let asked = needs.added.iter().map(|tag| format!("+ {tag}"));
    let required = needs.now_required.iter();
    let mut lines: Vec<_> = asked
        .chain(required.map(|tag| format!("! {tag} (now required)")))
        .collect();
    let added = after.contributions.difference(&before.contributions);
    lines.extend(added.map(|word| format!("+ contributes {word}")));
    lines.extend(new_dependencies(old, new));
    lines.extend(changed("launch", &before.launch, &after.launch));
    lines.extend(changed("slot", &old.slot, &Some(new.manifest.slot)));
    if after.has_code && !before.has_code {
        lines.push("+ has something to run".to_owned());
    }
    if new.trust < old.keyway.trust {
        let (old, new) = (old.keyway.trust, new.trust);
        lines.push(format!("! trust: {old} -> {new}"));
    }
    if !before.tool_pins.is_empty() {
        let named = tool_lines(&before.tool_pins, &after.tool_pins);
        lines.extend(in_words(named, &new.tool_changes));
    }
    lines
}

fn new_dependencies(old: &CatalogEntry, new: &Candidate) -> Vec<String> {
    let names: BTreeSet<_> = old.requirements().iter().map(|r| &r.plugin).collect();
    let dependencies = new.manifest.dependencies.iter();
    let new = dependencies.filter(|r| !names.contains(&r.plugin));
    new.map(|requirement| format!("+ dependency {requirement}"))
        .collect()
}

fn changed<T: PartialEq + Shown>(what: &str, old: &T, new: &T) -> Option<String> {
    (old != new).then(|| format!("~ {what}: {} -> {}", old.shown(), new.shown()))
}

trait Shown {
    fn shown(&self) -> String;
}

impl<T: ToString> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref()
            .map_or_else(|| "none".to_owned(), T::to_string)
    }
}

/// Returns what changed in words where there are any, else by name; nothing where nothing changed.
pub(crate) fn in_words(named: Vec<String>, words: &[String]) -> Vec<String> {
    match words {
        [_, ..] if !named.is_empty() => words.to_vec(),
        _ => named,
    }
}

/// Returns one line for each tool that is new or defined otherwise.
pub(crate) fn tool_lines(
    old: &BTreeMap<ToolName, Digest>,
    new: &BTreeMap<ToolName, Digest>,
) -> Vec<String> {
    let lines = new.iter().filter_map(|(name, digest)| match old.get(name) {
        None => Some(format!("+ tool {name}")),
        Some(before) if before != digest => Some(format!("~ tool {name}: another definition")),
        Some(_) => None,
    });
    lines.collect()
}
