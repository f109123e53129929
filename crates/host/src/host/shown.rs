//! What is visible of the plugins that run: the one place where that changes.
//!
//! A swap, a failure and a return all happen under one lock and in one store of the registry, so
//! that whoever lists or calls sees a plugin whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use keyway_plugin_api::{
    LogLevel, Manifest, PluginId, RegisteredHook, Tool, ToolDescriptor, ToolName,
};
use tokio::sync::Notify;

use super::definitions::Definitions;
use super::probation::{Probation, Probations};
use crate::audit::AuditEvent;
use crate::catalog::{CatalogEntry, Operation};
use crate::digest::Digest;
use crate::engine::Engine;
use crate::gate::{HoldingsCell, Standing};
use crate::notice::Notice;
use crate::registry::{
    Described, InFlight, Owner, Quarantined, RegistrationReport, RegistryChange, ToolEntry, pins_of,
};
use crate::runtime::Failure;
use crate::text;

/// An instance of a plugin, by name and number.
type Instance<'a> = (&'a PluginId, u64);

/// What one instance contributes.
pub(crate) struct Contribution {
    pub(crate) plugin: PluginId,
    pub(crate) instance: u64,
    /// `None` for an entry in the layout of source 002 alone, which has nothing to run.
    pub(crate) manifest: Option<Arc<Manifest>>,
    pub(crate) tools: Vec<Described>,
    pub(crate) hooks: Vec<RegisteredHook>,
    pub(crate) in_flight: Arc<InFlight>,
}

impl Contribution {
    /// Returns the digests of the definitions.
    pub(crate) fn pins(&self) -> BTreeMap<ToolName, Digest> {
        pins_of(&self.tools)
    }
}

fn descriptors(tools: &[Described]) -> impl Iterator<Item = &ToolDescriptor> {
    tools.iter().map(Described::told)
}

/// The instances that are shown, or would be if they were not down.
#[derive(Default)]
pub(crate) struct ShownPlugins {
    table: Mutex<Table>,
    /// Told when a version did not pass its probation.
    failed: Notify,
    definitions: OnceLock<Definitions>,
}

#[derive(Default)]
pub(crate) struct Table {
    plugins: BTreeMap<PluginId, Shown>,
    /// Instances that failed before they were shown.
    failed_early: BTreeSet<u64>,
    probations: Probations,
}

struct Shown {
    what: Contribution,
    is_down: bool,
    struck_out: BTreeSet<ToolName>,
}

impl ShownPlugins {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps from now on what tools say of themselves; whoever comes second changes nothing.
    pub(crate) fn keep_definitions(&self, definitions: Definitions) {
        self.definitions.get_or_init(|| definitions);
    }

    /// Returns what the pinned tools said of themselves.
    pub(super) fn definitions(&self) -> &Definitions {
        self.definitions.get_or_init(Definitions::default)
    }

    pub(super) fn begin_probation(&self, plugin: PluginId, probation: Probation) {
        self.lock().probations.begin(plugin, probation);
    }

    pub(super) fn take_failed(&self) -> Vec<(PluginId, CatalogEntry)> {
        self.lock().probations.take_failed()
    }

    /// Waits until a version did not pass its probation.
    pub(super) async fn one_failed(&self) {
        self.failed.notified().await;
    }
}

impl Table {
    fn current(&mut self, (plugin, instance): Instance<'_>) -> Option<&mut Shown> {
        let shown = self.plugins.get_mut(plugin);
        shown.filter(|shown| shown.what.instance == instance)
    }
}

/// What a swap did.
pub(crate) struct Swapped {
    pub(crate) report: RegistrationReport,
    pub(crate) quarantined: Vec<Quarantined>,
    /// Who is shown now, or would be if it were not down.
    pub(crate) taken: BTreeSet<PluginId>,
}

/// Takes some plugins' contributions away and shows others', in one swap of the registry.
pub(crate) fn swap(engine: &Engine, withdraw: &[PluginId], show: Vec<Contribution>) -> Swapped {
    let mut table = engine.shown.lock();
    let gone: Vec<_> = withdraw
        .iter()
        .cloned()
        .chain(show.iter().map(|what| what.plugin.clone()))
        .collect();
    let mut hooks = engine.hooks().without(&gone);
    // A plugin that comes again never stands still in between: a reload loses no call.
    let comes_again = |id: &&PluginId| show.iter().any(|what| what.plugin == **id);
    for id in withdraw.iter().filter(|id| !comes_again(id)) {
        table.plugins.remove(id);
        if let Some(cell) = engine.cell(id) {
            stand(engine, &cell, Standing::Stopped);
        }
    }
    let mut change = RegistryChange {
        remove: withdraw.to_vec(),
        add: Vec::new(),
    };
    let (mut quarantined, mut taken) = (Vec::new(), BTreeSet::new());
    for what in show {
        let cell = engine.cell(&what.plugin);
        let Some(cell) = cell.filter(|cell| !cell.load().is_builtin()) else {
            continue;
        };
        let plugin = what.plugin.clone();
        let is_down = table.failed_early.remove(&what.instance);
        hooks.add(&plugin, cell.load().trust(), what.hooks.clone());
        let shown = Shown {
            what,
            is_down,
            struck_out: BTreeSet::new(),
        };
        change.add.push((
            plugin.clone(),
            appear(engine, &shown, &cell, &mut quarantined),
        ));
        table.plugins.insert(plugin.clone(), shown);
        taken.insert(plugin);
    }
    engine.set_hooks(hooks);
    Swapped {
        report: engine.registry.publish(change),
        quarantined,
        taken,
    }
}

/// Lets a plugin stand as what it is and makes the entries that it has then.
fn appear(
    engine: &Engine,
    shown: &Shown,
    cell: &Arc<HoldingsCell>,
    quarantined: &mut Vec<Quarantined>,
) -> Vec<ToolEntry> {
    if shown.is_down {
        stand(engine, cell, Standing::Down);
        return Vec::new();
    }
    stand(engine, cell, Standing::Running);
    entries(engine, shown, cell, quarantined)
}

/// Makes the registry's entries of what a plugin registered; a bad one is kept out, its siblings
/// are not (R11).
fn entries(
    engine: &Engine,
    shown: &Shown,
    cell: &Arc<HoldingsCell>,
    quarantined: &mut Vec<Quarantined>,
) -> Vec<ToolEntry> {
    let what = &shown.what;
    let owner = Owner {
        holdings: Arc::clone(cell),
        in_flight: Arc::clone(&what.in_flight),
    };
    let is_there = |tool: &&Described| !shown.struck_out.contains(tool.name());
    let most = engine.limits.tools_per_plugin;
    let mut entries = Vec::new();
    for tool in what.tools.iter().filter(is_there).take(most) {
        let declared = what
            .manifest
            .as_ref()
            .map(|manifest| manifest.contributes());
        let is_optional = declared
            .and_then(|adds| adds.tools.get(tool.name()))
            .is_some_and(|tool| tool.optional);
        match ToolEntry::admit(&what.plugin, tool, is_optional, owner.clone()) {
            Ok(entry) => entries.push(entry),
            Err(kept_out) => quarantined.push(kept_out),
        }
    }
    entries
}

fn stand(engine: &Engine, cell: &HoldingsCell, standing: Standing) {
    let _writer = engine.change_cells();
    // Revoked stays revoked, whatever runs or stops.
    if cell.load().standing() != Standing::Revoked {
        cell.set_standing(standing);
    }
}

/// Takes away what a failed instance shows, now or when it appears; one that was replaced is not heard.
pub(crate) fn down(engine: &Engine, instance: Instance<'_>, failure: &Failure) {
    let mut table = engine.shown.lock();
    let shown = table.plugins.get(instance.0);
    if shown.is_none_or(|shown| shown.what.instance < instance.1) {
        // It failed between its start and its first appearance.
        table.failed_early.insert(instance.1);
        drop(table);
        return tell_failure(engine, instance.0, failure);
    }
    let Some(shown) = table.current(instance).filter(|shown| !shown.is_down) else {
        return;
    };
    shown.is_down = true;
    republish(engine, shown);
    let now_us = engine.time.monotonic_us();
    if table.probations.count(instance.0, instance.1, now_us) {
        engine.shown.failed.notify_one();
    }
    drop(table);
    tell_failure(engine, instance.0, failure);
    engine.announce();
}

/// Shows again what an instance showed before it failed.
pub(crate) fn up(engine: &Engine, instance: Instance<'_>) {
    let mut table = engine.shown.lock();
    table.failed_early.remove(&instance.1);
    let Some(shown) = table.current(instance).filter(|shown| shown.is_down) else {
        return;
    };
    shown.is_down = false;
    republish(engine, shown);
    drop(table);
    engine.audit.record(AuditEvent::LifecycleMoved {
        plugin: instance.0.clone(),
        from: "failed".into(),
        to: "running".into(),
        by: None,
        why: "it was started again".into(),
    });
    tell(engine, notice(LogLevel::Info, instance.0, "it runs again"));
    engine.announce();
}

/// Keeps one tool out of what an instance shows.
pub(crate) fn strike_out(engine: &Engine, instance: Instance<'_>, tool: &ToolName, reason: &str) {
    let mut table = engine.shown.lock();
    let Some(shown) = table.current(instance) else {
        return;
    };
    if !shown.struck_out.insert(tool.clone()) {
        return;
    }
    republish(engine, shown);
    drop(table);
    engine.audit.record(AuditEvent::ToolQuarantined {
        plugin: instance.0.clone(),
        tool: tool.as_str().into(),
        reason: reason.into(),
    });
    let message = format!("its tool {tool} is out: {reason}");
    tell(engine, notice(LogLevel::Warn, instance.0, &message));
    engine.announce();
}

/// Holds new descriptions against the approved ones: fewer tools are fine, other ones wait for an
/// operator and until then nothing is shown.
pub(crate) fn redefined(engine: &Arc<Engine>, instance: Instance<'_>, tools: Vec<Arc<dyn Tool>>) {
    let mut table = engine.shown.lock();
    let Some(shown) = table.current(instance) else {
        return;
    };
    let limits = &engine.limits;
    let described = tools.into_iter().map(|tool| Described::of(tool, limits));
    let tools: Vec<_> = described.collect();
    let (before, pins) = (shown.what.pins(), pins_of(&tools));
    if before == pins {
        return;
    }
    let is_known = |(name, digest): (&ToolName, &Digest)| before.get(name) == Some(digest);
    let is_narrower = pins.iter().all(is_known);
    let now = Redefined {
        pins,
        changes: told(engine, descriptors(&shown.what.tools), descriptors(&tools)),
        tools: descriptors(&tools).cloned().collect(),
    };
    shown.what.tools = tools;
    shown.is_down |= !is_narrower;
    republish(engine, shown);
    drop(table);
    engine.announce();
    let what = match is_narrower {
        true => "it has fewer tools",
        false => "its tools are not those that were approved; they are out",
    };
    let message = format!("{what}: {}", now.changes.join("; "));
    tell(engine, notice(LogLevel::Warn, instance.0, &message));
    if !is_narrower {
        wait_for_approval(engine, instance.0, now);
    }
}

/// Tells in words what tools say otherwise than before, without a secret.
pub(super) fn told<'t>(
    engine: &Engine,
    before: impl IntoIterator<Item = &'t ToolDescriptor>,
    now: impl IntoIterator<Item = &'t ToolDescriptor>,
) -> Vec<String> {
    let before: Vec<_> = before.into_iter().collect();
    let now: Vec<_> = now.into_iter().collect();
    let lines = text::changes(&before, &now).into_iter();
    lines
        .map(|line| engine.redactor.redact(&line).into_owned())
        .collect()
}

/// Tools other than those that were approved.
struct Redefined {
    pins: BTreeMap<ToolName, Digest>,
    tools: Vec<ToolDescriptor>,
    changes: Vec<String>,
}

/// Writes down that a plugin waits for an operator, without holding up whoever noticed.
fn wait_for_approval(engine: &Arc<Engine>, plugin: &PluginId, now: Redefined) {
    let (engine, plugin) = (Arc::clone(engine), plugin.clone());
    let work = move || {
        let definitions = engine.shown.definitions();
        definitions.keep(&now.pins, &now.tools, &engine.redactor);
        let operation = Operation::PinTools {
            plugin: plugin.clone(),
            pins: now.pins,
            changes: now.changes,
        };
        if let Err(error) = engine.run_recorded(&operation) {
            let message = format!("its changed tools could not be written down: {error}");
            tell(&engine, notice(LogLevel::Error, &plugin, &message));
        }
        super::refresh_holdings(&engine, &plugin);
        engine.announce();
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

fn republish(engine: &Engine, shown: &Shown) {
    let plugin = shown.what.plugin.clone();
    let Some(cell) = engine.cell(&plugin) else {
        return;
    };
    let mut quarantined = Vec::new();
    let add = appear(engine, shown, &cell, &mut quarantined);
    engine.registry.publish(RegistryChange {
        remove: vec![plugin.clone()],
        add: vec![(plugin, add)],
    });
}

fn tell_failure(engine: &Engine, plugin: &PluginId, failure: &Failure) {
    let next = match failure.retry_after {
        Some(delay) => format!("; it is tried again in {} ms", delay.as_millis()),
        None => format!("; see `keyway plugin info {plugin}`"),
    };
    let mut reason = failure.reason.clone();
    for line in &failure.last_lines {
        reason.push('\n');
        reason.push_str(line);
    }
    engine.audit.record(AuditEvent::PluginFailed {
        plugin: plugin.clone(),
        stage: "run".into(),
        reason: reason.into(),
    });
    let notice = Notice {
        level: LogLevel::Error,
        plugin: plugin.clone(),
        message: format!("failed: {}{next}", failure.reason),
        detail: failure.last_lines.clone(),
    };
    engine.notices.tell(without_secrets(engine, notice));
}

pub(crate) fn notice(level: LogLevel, plugin: &PluginId, message: &str) -> Notice {
    Notice {
        level,
        plugin: plugin.clone(),
        message: message.to_owned(),
        detail: Vec::new(),
    }
}

/// Records something an operator should know and tells whoever listens.
pub(crate) fn tell(engine: &Engine, notice: Notice) {
    engine.audit.record(AuditEvent::Notice {
        level: notice.level,
        plugin: Some(notice.plugin.clone()),
        message: notice.message.as_str().into(),
    });
    engine.notices.tell(without_secrets(engine, notice));
}

/// The words are a plugin's, and a plugin may know a secret.
fn without_secrets(engine: &Engine, mut notice: Notice) -> Notice {
    for text in notice.detail.iter_mut().chain([&mut notice.message]) {
        *text = engine.redactor.redact(text).into_owned();
    }
    notice
}
