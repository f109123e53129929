//! Which plugins need which.

use std::collections::BTreeSet;

use keyway_plugin_api::PluginId;

use super::requirement::Requirement;
use super::state::{CatalogEntry, CatalogState};

/// What a plugin needs and does not find, one line each.
#[derive(Default)]
pub(super) struct Unmet {
    /// Absent or of a wrong version: nothing but another installation helps.
    pub(super) absent: Vec<String>,
    /// Installed and not enabled.
    pub(super) disabled: Vec<String>,
}

/// Looks up requirements.
pub(super) fn unmet(state: &CatalogState, requirements: &[Requirement]) -> Unmet {
    let mut unmet = Unmet::default();
    for requirement in requirements {
        match state.entry(&requirement.plugin) {
            None => unmet.absent.push(format!("{requirement} (not installed)")),
            Some(entry) if !requirement.is_met_by(&entry.manifest.version) => {
                let found = &entry.manifest.version;
                unmet
                    .absent
                    .push(format!("{requirement} (installed: {found})"));
            }
            Some(entry) if !entry.enabled => {
                unmet.disabled.push(format!("{requirement} (disabled)"));
            }
            Some(_) => {}
        }
    }
    unmet
}

/// Finds a circle that a plugin with these requirements would close.
pub(super) fn cycle(
    state: &CatalogState,
    plugin: &PluginId,
    requirements: &[Requirement],
) -> Option<Vec<PluginId>> {
    let mut seen = BTreeSet::new();
    let first = |r: &Requirement| vec![plugin.clone(), r.plugin.clone()];
    let mut paths: Vec<_> = requirements.iter().map(first).collect();
    while let Some(path) = paths.pop() {
        let Some(last) = path.last() else { continue };
        if last == plugin {
            return Some(path);
        }
        if seen.insert(last.clone())
            && let Some(entry) = state.entry(last)
        {
            let longer =
                |r: &Requirement| [path.as_slice(), std::slice::from_ref(&r.plugin)].concat();
            paths.extend(entry.requirements().iter().map(longer));
        }
    }
    None
}

impl CatalogState {
    /// Returns every enabled plugin that needs this one, directly or through others, each
    /// before those that it needs itself: the order to stop them in.
    #[must_use]
    pub fn dependents_first(&self, plugin: &PluginId) -> Vec<PluginId> {
        let mut found = BTreeSet::from([plugin.clone()]);
        let mut wave = vec![plugin.clone()];
        while let Some(needed) = wave.pop() {
            for (id, _) in self.enabled_needing(&needed) {
                if found.insert(id.clone()) {
                    wave.push(id.clone());
                }
            }
        }
        found.remove(plugin);
        // The order of the whole catalog is worth finding out only where there is one.
        match found.len() {
            0 | 1 => found.into_iter().collect(),
            _ => self.sorted_for_stop(found),
        }
    }

    fn enabled_needing<'a>(
        &'a self,
        needed: &'a PluginId,
    ) -> impl Iterator<Item = (&'a PluginId, &'a CatalogEntry)> {
        let entries = self.entries.iter().map(|(id, entry)| (id, &**entry));
        entries.filter(move |(_, entry)| {
            entry.enabled && entry.requirements().iter().any(|r| r.plugin == *needed)
        })
    }

    fn sorted_for_stop(&self, plugins: BTreeSet<PluginId>) -> Vec<PluginId> {
        let order = self.start_order();
        let position = |id: &PluginId| order.iter().position(|other| other == id);
        let mut sorted: Vec<_> = plugins.into_iter().collect();
        sorted.sort_by_key(|id| std::cmp::Reverse(position(id)));
        sorted
    }

    /// Returns the live plugins in the order to start them in: by slot (telemetry, memory, llm,
    /// proof, custom), then precedence, then name, and whatever one needs before it.
    #[must_use]
    pub fn start_order(&self) -> Vec<PluginId> {
        let entries = self.entries.iter().map(|(id, entry)| (id, &**entry));
        let mut live: Vec<_> = entries.filter(|(_, entry)| entry.is_live()).collect();
        live.sort_by_key(|(id, entry)| (entry.manifest.slot, entry.precedence, *id));
        let mut order = Order {
            state: self,
            placed: Vec::with_capacity(live.len()),
            seen: BTreeSet::new(),
        };
        for (id, _) in live {
            order.place(id);
        }
        order.placed
    }
}

struct Order<'a> {
    state: &'a CatalogState,
    placed: Vec<PluginId>,
    seen: BTreeSet<&'a PluginId>,
}

impl<'a> Order<'a> {
    /// Places a plugin after what it needs. A stack instead of recursion: a chain of
    /// dependencies may be as long as the catalog.
    fn place(&mut self, plugin: &'a PluginId) {
        let mut stack = vec![(plugin, false)];
        while let Some((id, needs_are_placed)) = stack.pop() {
            if needs_are_placed {
                self.placed.push(id.clone());
                continue;
            }
            let Some(entry) = self.state.entry(id).filter(|entry| entry.is_live()) else {
                continue;
            };
            if self.seen.insert(id) {
                stack.push((id, true));
                let needs = entry.requirements().iter().rev();
                stack.extend(needs.map(|r| (&r.plugin, false)));
            }
        }
    }
}
