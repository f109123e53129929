//! The registry at one moment: immutable, shared, cheap to derive the next one from.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_plugin_api::{PluginId, ToolId};
use serde::{Deserialize, Serialize};

use super::ToolEntry;
use super::pages::Pages;
use super::shards::Shards;
use crate::text::skeleton;

/// A change of the registry: some plugins' tools go, some come, in one step.
#[derive(Debug, Default)]
pub struct RegistryChange {
    pub(crate) remove: Vec<PluginId>,
    pub(crate) add: Vec<(PluginId, Vec<ToolEntry>)>,
}

/// What became of the tools of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistrationReport {
    /// Tools that may be named now.
    pub accepted: Vec<ToolId>,
    /// Tools that were refused because of their name.
    pub clashes: Vec<NameClash>,
}

/// Two contenders for a name; the incumbent stays, always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NameClash {
    /// The name both want.
    pub name: String,
    /// Who has it.
    pub winner: String,
    /// Who was refused.
    pub loser: ToolId,
    /// The rule that decided.
    pub rule: ClashRule,
}

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClashRule {
    /// A built-in tool has the name, or one that looks like it (R1).
    BuiltinName,
    /// The plugin's own id is a built-in's name (R2).
    PluginNamedLikeBuiltin,
    /// Another tool of the same plugin has the name, or one that looks like it.
    SamePlugin,
}

impl ClashRule {
    /// Returns the name of the rule.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltinName => "builtin_name",
            Self::PluginNamedLikeBuiltin => "plugin_named_like_builtin",
            Self::SamePlugin => "same_plugin",
        }
    }
}

/// The registry at one moment.
#[derive(Debug, Clone)]
pub struct RegistrySnapshot {
    generation: u64,
    by_name: Shards<Arc<ToolEntry>>,
    /// Tools by the shape of their bare name, so that look-alikes share a bucket: at most one of
    /// each plugin.
    by_shape: Shards<Pages<PluginId, Arc<ToolEntry>>>,
    builtins: Arc<BTreeMap<String, Arc<str>>>,
    by_plugin: Pages<PluginId, Arc<[Arc<ToolEntry>]>>,
}

impl RegistrySnapshot {
    /// Makes an empty registry.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            generation: 0,
            by_name: Shards::new(),
            by_shape: Shards::new(),
            builtins: Arc::default(),
            by_plugin: Pages::new(),
        }
    }

    /// Returns the number of changes that led here.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the tool with a canonical name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<ToolEntry>> {
        self.by_name.get(name)
    }

    /// Returns the tools whose bare name looks like `name`, in order of their ids.
    pub fn shaped_like(&self, name: &str) -> impl Iterator<Item = &Arc<ToolEntry>> {
        let bucket = self.by_shape.get(&skeleton(name));
        bucket.into_iter().flat_map(Pages::values)
    }

    /// Returns one plugin's tools, in order of their names.
    #[must_use]
    pub fn tools_of(&self, plugin: &PluginId) -> &[Arc<ToolEntry>] {
        self.by_plugin.get(plugin).map_or(&[], |tools| tools)
    }

    /// Returns every tool, in order of plugin and name.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<ToolEntry>> {
        self.by_plugin.values().flat_map(|tools| tools.iter())
    }

    /// Returns the number of tools.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_plugin.values().map(|tools| tools.len()).sum()
    }

    /// Tells whether there is no tool.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_plugin.is_empty()
    }

    /// Derives the next registry; `self` stays as it is. Costs as much as the change is large.
    #[must_use]
    pub fn with(&self, change: RegistryChange) -> (Self, RegistrationReport) {
        let mut next = self.clone();
        next.generation += 1;
        let mut report = RegistrationReport::default();
        for plugin in &change.remove {
            next.remove(plugin);
        }
        for (plugin, tools) in change.add {
            next.remove(&plugin);
            next.add(plugin, tools, &mut report);
        }
        (next, report)
    }

    fn remove(&mut self, plugin: &PluginId) {
        let Some(tools) = self.by_plugin.remove(plugin) else {
            return;
        };
        for tool in tools.iter() {
            self.by_name.remove(tool.name());
            let shape: Arc<str> = skeleton(tool.id().tool().as_str()).into();
            let mut bucket = self.bucket(&shape);
            bucket.remove(plugin);
            if bucket.is_empty() {
                self.by_shape.remove(&shape);
            } else {
                self.by_shape.insert(shape, bucket);
            }
        }
    }

    fn add(
        &mut self,
        plugin: PluginId,
        mut tools: Vec<ToolEntry>,
        report: &mut RegistrationReport,
    ) {
        tools.sort_by(|a, b| a.id().cmp(b.id()));
        let mut accepted: Vec<Arc<ToolEntry>> = Vec::with_capacity(tools.len());
        for tool in tools {
            if let Some(clash) = self.clash(&tool) {
                report.clashes.push(clash);
                continue;
            }
            report.accepted.push(tool.id().clone());
            accepted.push(self.index(Arc::new(tool)));
        }
        if !accepted.is_empty() {
            self.by_plugin.insert(plugin, accepted.into());
        }
    }

    fn index(&mut self, tool: Arc<ToolEntry>) -> Arc<ToolEntry> {
        let shape: Arc<str> = skeleton(tool.id().tool().as_str()).into();
        if tool.is_builtin() {
            let builtins = Arc::make_mut(&mut self.builtins);
            builtins.insert(shape.to_string(), Arc::clone(tool.shared_name()));
        }
        self.by_name
            .insert(Arc::clone(tool.shared_name()), Arc::clone(&tool));
        let mut bucket = self.bucket(&shape);
        bucket.insert(tool.plugin().clone(), Arc::clone(&tool));
        self.by_shape.insert(shape, bucket);
        tool
    }

    /// Returns a copy of the tools that have a shape.
    fn bucket(&self, shape: &str) -> Pages<PluginId, Arc<ToolEntry>> {
        let bucket = self.by_shape.get(shape).cloned();
        bucket.unwrap_or_else(Pages::new)
    }

    fn clash(&self, tool: &ToolEntry) -> Option<NameClash> {
        let bare = tool.id().tool().as_str();
        let shape = skeleton(bare);
        let clash = |winner: &str, rule| NameClash {
            name: bare.to_owned(),
            winner: winner.to_owned(),
            loser: tool.id().clone(),
            rule,
        };
        let bucket = self.by_shape.get(&shape);
        if let Some(twin) = bucket.and_then(|bucket| bucket.get(tool.plugin())) {
            return Some(clash(twin.name(), ClashRule::SamePlugin));
        }
        if tool.is_builtin() {
            return None;
        }
        if let Some(builtin) = self.builtins.get(&shape) {
            return Some(clash(builtin, ClashRule::BuiltinName));
        }
        let builtin = self.builtins.get(&skeleton(tool.plugin().as_str()))?;
        Some(clash(builtin, ClashRule::PluginNamedLikeBuiltin))
    }
}
