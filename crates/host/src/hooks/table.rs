//! The hooks that are registered now, by point, swapped as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use keyway_plugin_api::{Hook, HookAuthority, HookPoint, PluginId, RegisteredHook};

use crate::rank::Trust;

/// The bit that stands for a point.
pub(crate) fn bit(point: HookPoint) -> u16 {
    let place = HookPoint::ALL.iter().position(|other| *other == point);
    place.map_or(0, |place| 1 << place)
}

/// One registered hook.
pub(crate) struct HookEntry {
    pub(crate) plugin: PluginId,
    pub(crate) trust: Trust,
    pub(crate) authority: HookAuthority,
    pub(crate) hook: Arc<dyn Hook>,
    pub(crate) failures: AtomicU32,
}

impl fmt::Debug for HookEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookEntry")
            .field("plugin", &self.plugin)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// Every registered hook, in the order in which it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct HookTable {
    points: BTreeMap<HookPoint, Vec<Arc<HookEntry>>>,
}

impl HookTable {
    /// Returns the hooks of a point.
    pub(crate) fn at(&self, point: HookPoint) -> &[Arc<HookEntry>] {
        self.points.get(&point).map_or(&[], Vec::as_slice)
    }

    /// Returns one bit for each point that has a hook.
    pub(crate) fn points(&self) -> u16 {
        self.points.keys().fold(0, |bits, point| bits | bit(*point))
    }

    /// Derives the table without some plugins' hooks.
    pub(crate) fn without(&self, plugins: &[PluginId]) -> Self {
        let mut next = self.clone();
        for hooks in next.points.values_mut() {
            hooks.retain(|entry| !plugins.contains(&entry.plugin));
        }
        next.points.retain(|_, hooks| !hooks.is_empty());
        next
    }

    /// Adds a plugin's hooks.
    pub(crate) fn add(&mut self, plugin: &PluginId, trust: Trust, hooks: Vec<RegisteredHook>) {
        for RegisteredHook {
            point,
            authority,
            hook,
            ..
        } in hooks
        {
            let entry = HookEntry {
                plugin: plugin.clone(),
                trust,
                authority,
                hook,
                failures: AtomicU32::new(0),
            };
            let chain = self.points.entry(point).or_default();
            chain.push(Arc::new(entry));
            // The sort is stable: hooks of one plugin keep the order of their registration.
            chain.sort_by(|a, b| b.trust.cmp(&a.trust).then_with(|| a.plugin.cmp(&b.plugin)));
        }
    }
}
