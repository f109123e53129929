//! What changes between two versions of a manifest, as far as an operator must agree to it.

use std::collections::BTreeSet;
use std::fmt;

use super::{Capability, CapabilityRequest};
use crate::{Manifest, Slot};

/// The difference between what two versions of a plugin ask for (settlement 22).
///
/// Capabilities stand as tags. What a manifest contributes stands as `contributes:tool:NAME`
/// (`contributes:optional-tool:NAME` when it hides until it is allowed),
/// `contributes:hook:POINT` and so on; a dependency as `dependency:NAME`; an exclusive slot as
/// `slot:NAME`; the risk as `risk:LEVEL`; what is wanted outside calls too has `background:` in
/// front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NeedsDiff {
    /// What the new version asks for and the old one did not, sorted.
    pub added: Vec<String>,
    /// What the old version asked for and the new one does not, sorted.
    pub removed: Vec<String>,
    /// What was optional and is required now, sorted.
    pub now_required: Vec<String>,
}

impl NeedsDiff {
    /// Compares two versions of a manifest.
    #[must_use]
    pub fn between(old: &Manifest, new: &Manifest) -> Self {
        let mut diff = Self::of_requests(old.capabilities(), new.capabilities());
        let (before, after) = (declarations(old), declarations(new));
        diff.added.extend(beyond(&after, &before));
        diff.removed.extend(beyond(&before, &after));
        if new.risk() > old.risk() {
            diff.added.push(format!("risk:{}", new.risk()));
            diff.removed.push(format!("risk:{}", old.risk()));
        }
        diff
    }

    /// Compares two lists of requests by what they allow, not by how they are written.
    #[must_use]
    pub fn of_requests(old: &[CapabilityRequest], new: &[CapabilityRequest]) -> Self {
        let required = |requests: &[CapabilityRequest]| -> Vec<CapabilityRequest> {
            let required = requests.iter().filter(|request| !request.optional);
            required.cloned().collect()
        };
        let added = uncovered(new, old);
        let mut now_required = uncovered(&required(new), &required(old));
        now_required.retain(|tag| !added.contains(tag));
        Self {
            removed: uncovered(old, new),
            added,
            now_required,
        }
    }

    /// Tells whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.now_required.is_empty()
    }

    /// Tells whether an operator must agree again: something is asked for, or required, that
    /// was not before.
    #[must_use]
    pub fn widens(&self) -> bool {
        !(self.added.is_empty() && self.now_required.is_empty())
    }
}

/// Writes one line for each change, `+`, `-` or `!` in front; `no change` when there is none.
impl fmt::Display for NeedsDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no change");
        }
        let added = self.added.iter().map(|tag| format!("+ {tag}"));
        let removed = self.removed.iter().map(|tag| format!("- {tag}"));
        let required = self
            .now_required
            .iter()
            .map(|tag| format!("! {tag} (now required)"));
        let lines: Vec<String> = added.chain(removed).chain(required).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Returns the tags of what `asked` allows beyond `before`, sorted.
fn uncovered(asked: &[CapabilityRequest], before: &[CapabilityRequest]) -> Vec<String> {
    let in_calls = tags_beyond(asked.iter(), before.iter());
    let is_background = |request: &&CapabilityRequest| request.background;
    let outside_calls = tags_beyond(
        asked.iter().filter(is_background),
        before.iter().filter(is_background),
    );
    let outside_calls = outside_calls.iter().map(|tag| format!("background:{tag}"));
    let tags: BTreeSet<String> = outside_calls.chain(in_calls).collect();
    tags.into_iter().collect()
}

fn tags_beyond<'a>(
    asked: impl Iterator<Item = &'a CapabilityRequest>,
    before: impl Iterator<Item = &'a CapabilityRequest>,
) -> Vec<String> {
    let held: Vec<&Capability> = before.map(|request| &request.capability).collect();
    let atoms = asked.flat_map(|request| request.capability.atoms());
    let beyond = atoms.filter(|atom| !atom.is_covered_by(held.iter().copied()));
    beyond.flat_map(|atom| atom.tags()).collect()
}

/// Returns the declarations of one side that the other lacks. A tool that hides until it is
/// allowed is less than the same tool in plain sight.
fn beyond(side: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    let in_sight = |line: &String| other.contains(&line.replacen(":optional-tool:", ":tool:", 1));
    let lacking = side.iter().filter(|line| !in_sight(line));
    lacking.cloned().collect()
}

/// Returns what a manifest declares besides capabilities and an operator has a say in.
fn declarations(manifest: &Manifest) -> BTreeSet<String> {
    let contributes = manifest.contributes();
    let tools = contributes
        .tools
        .iter()
        .map(|(name, tool)| match tool.optional {
            true => format!("contributes:optional-tool:{name}"),
            false => format!("contributes:tool:{name}"),
        });
    let hooks = contributes
        .hooks
        .iter()
        .map(|point| format!("contributes:hook:{point}"));
    let providers = contributes
        .providers
        .iter()
        .map(|name| format!("contributes:provider:{name}"));
    let commands = contributes
        .commands
        .iter()
        .map(|name| format!("contributes:command:{name}"));
    let subagents = contributes
        .subagents
        .iter()
        .map(|name| format!("contributes:subagent:{name}"));
    let dependencies = manifest
        .dependencies()
        .iter()
        .map(|d| format!("dependency:{}", d.name));
    let slot = Some(manifest.slot()).filter(|slot| *slot != Slot::Custom);
    tools
        .chain(hooks)
        .chain(providers)
        .chain(commands)
        .chain(subagents)
        .chain(dependencies)
        .chain(slot.map(|slot| format!("slot:{slot}")))
        .collect()
}
