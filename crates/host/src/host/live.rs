//! What runs: starting an instance, making it visible, taking it away, stopping it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyway_plugin_api::{
    HookPoint, Manifest, PluginId, RegisteredHook, Tool, ToolDescriptor, ToolName,
};
use serde_json::Value;

use super::{Host, compatible};
use crate::catalog::CatalogEntry;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::gate::{HoldingsCell, Standing};
use crate::panics::catch_async;
use crate::registry::{
    InFlight, Owner, Quarantined, RegistrationReport, RegistryChange, ToolEntry, definition_of,
};
use crate::runtime::{Enforcement, Launch, PluginRuntime, RunningPlugin, StartError, Started};

/// What a runtime gets beyond its stages before it is given up on.
const PATIENCE: Duration = Duration::from_millis(200);

/// A plugin that runs; `None` where there is nothing to stop.
pub(crate) struct Live {
    instance: Option<Arc<dyn RunningPlugin>>,
    in_flight: Arc<InFlight>,
    pub(super) enforcement: Enforcement,
    /// What was approved when it was started.
    pub(super) digest: Option<Digest>,
    /// Its place in the order of the starts.
    order: usize,
}

impl Live {
    pub(super) fn has_code(&self) -> bool {
        self.instance.is_some()
    }
}

/// An instance that has started and is not yet visible.
pub(super) struct Prepared {
    pub(super) plugin: PluginId,
    /// `None` for an entry in the layout of source 002 alone, which has nothing to run.
    manifest: Option<Arc<Manifest>>,
    tools: Vec<Arc<dyn Tool>>,
    hooks: Vec<RegisteredHook>,
    live: Live,
}

impl Prepared {
    /// Returns the digests of the definitions that were registered.
    pub(super) fn pins(&self) -> BTreeMap<ToolName, Digest> {
        let descriptors = self.tools.iter().map(|tool| tool.descriptor());
        descriptors
            .map(|d| (d.name.clone(), definition_of(d)))
            .collect()
    }

    pub(super) fn descriptors(&self) -> Vec<ToolDescriptor> {
        let descriptors = self.tools.iter().map(|tool| tool.descriptor());
        descriptors.cloned().collect()
    }

    pub(super) fn enforcement(&self) -> Enforcement {
        self.live.enforcement
    }

    pub(super) fn has_code(&self) -> bool {
        self.live.has_code()
    }

    pub(super) async fn discard(self, engine: &Engine) {
        stop(engine, self.live).await;
    }
}

impl Host {
    /// Starts an instance of what an entry declares; nothing of it is visible yet.
    pub(super) async fn prepare(&self, entry: &CatalogEntry) -> Result<Prepared, StartError> {
        let plugin = entry.manifest.name.clone();
        let declared = &entry.keyway.declared;
        if declared.document.is_null() {
            return Ok(without_code(plugin, None));
        }
        let manifest = Arc::new(parse_declared(&declared.document)?);
        if manifest.runtime().is_none() {
            return Ok(without_code(plugin, Some(manifest)));
        }
        compatible::check_manifest(&manifest)?;
        if self.is_other_code(entry) {
            return Err(StartError::NotApproved {
                plugin: plugin.to_string(),
            });
        }
        let runtime = self.runtimes.iter().find(|r| r.supports(&manifest));
        let runtime = runtime.ok_or_else(|| no_runtime(&manifest))?;
        let launch = Launch {
            manifest: Arc::clone(&manifest),
            digest: declared
                .digest
                .unwrap_or_else(|| Digest::of_json(&declared.document)),
            settings: self.settings_of(&plugin, &manifest)?,
            source_path: entry.source_path.as_ref().map(PathBuf::from),
            limits: self.engine.limits,
        };
        let started = self.start_within(&**runtime, launch).await?;
        let started = self.check(&manifest, entry, started).await?;
        Ok(Prepared {
            plugin,
            manifest: Some(manifest),
            tools: started.tools,
            hooks: started.hooks,
            live: Live {
                instance: Some(started.instance),
                in_flight: Arc::default(),
                enforcement: started.enforcement,
                digest: declared.digest,
                order: 0,
            },
        })
    }

    /// Tells whether the code that is linked for an entry is not what was approved: it declares
    /// something else.
    pub(super) fn is_other_code(&self, entry: &CatalogEntry) -> bool {
        let name = &entry.manifest.name;
        let mut linked = self.found.iter().filter(|found| !found.is_on_disk);
        let code = linked.find(|found| found.package.manifest.name() == name);
        let is_linked = entry.source_path.is_none();
        is_linked && code.is_some_and(|c| entry.keyway.declared.digest != Some(c.package.digest))
    }

    /// Lets a runtime start a plugin; its panic and its hanging become values.
    async fn start_within(
        &self,
        runtime: &dyn PluginRuntime,
        launch: Launch,
    ) -> Result<Started, StartError> {
        let stage = "start";
        // A runtime keeps the time of each stage itself; this is for one that does not.
        let limit = self.engine.limits.start.saturating_mul(2) + PATIENCE;
        match tokio::time::timeout(limit, catch_async(runtime.start(launch))).await {
            Ok(Ok(result)) => result,
            Ok(Err(message)) => Err(StartError::Panicked { stage, message }),
            Err(_) => Err(StartError::TimedOut {
                stage,
                limit_ms: limit.as_millis().try_into().unwrap_or(u64::MAX),
            }),
        }
    }

    /// Returns the operator's settings for a plugin, held to the schema in its manifest.
    fn settings_of(&self, plugin: &PluginId, manifest: &Manifest) -> Result<Value, StartError> {
        let empty = || Value::Object(serde_json::Map::new());
        let settings = self.settings.get(plugin).cloned().unwrap_or_else(empty);
        let Some(schema) = manifest.settings() else {
            return Ok(settings);
        };
        let invalid = |problem: String| StartError::Settings { problem };
        let validator = self.engine.validators.intern(schema).get();
        let validator = validator.map_err(|e| invalid(e.to_string()))?;
        validator
            .validate(&settings)
            .map_err(|e| invalid(e.to_string()))?;
        Ok(settings)
    }

    /// Holds what started to the policy and to the manifest; stops it where it falls short.
    async fn check(
        &self,
        manifest: &Manifest,
        entry: &CatalogEntry,
        started: Started,
    ) -> Result<Started, StartError> {
        let trust = entry.keyway.trust;
        let required = self.policy.minimum(trust);
        let missing = missing(manifest, &started);
        let problem = if started.enforcement < required {
            StartError::Enforcement {
                trust,
                required,
                reached: started.enforcement,
            }
        } else if !missing.is_empty() {
            StartError::Incomplete { missing }
        } else {
            return Ok(started);
        };
        stop_instance(&self.engine, &*started.instance).await;
        Err(problem)
    }
}

/// Reads back the manifest that was approved.
fn parse_declared(document: &Value) -> Result<Manifest, StartError> {
    let text = document.to_string();
    let parsed = Manifest::parse(text.as_bytes());
    parsed
        .map(|(manifest, _)| manifest)
        .map_err(|e| StartError::Failed {
            reason: e.to_string(),
        })
}

fn without_code(plugin: PluginId, manifest: Option<Arc<Manifest>>) -> Prepared {
    let live = Live {
        instance: None,
        in_flight: Arc::default(),
        // With no code there is nothing that could do more than it was granted.
        enforcement: Enforcement::Enforced,
        digest: None,
        order: 0,
    };
    Prepared {
        plugin,
        manifest,
        tools: Vec::new(),
        hooks: Vec::new(),
        live,
    }
}

fn no_runtime(manifest: &Manifest) -> StartError {
    let kind = manifest
        .runtime()
        .map(|runtime| format!("{:?}", runtime.kind).to_lowercase());
    StartError::NoRuntime {
        kind: kind.unwrap_or_default(),
    }
}

/// Lists what the manifest declares and the plugin did not register (R12).
fn missing(manifest: &Manifest, started: &Started) -> Vec<String> {
    let has_tool = |name: &ToolName| started.tools.iter().any(|t| t.descriptor().name == *name);
    let has_hook = |point: HookPoint| started.hooks.iter().any(|hook| hook.point == point);
    let contributes = manifest.contributes();
    let tools = contributes.tools.keys().filter(|name| !has_tool(name));
    let hooks = contributes.hooks.iter().filter(|point| !has_hook(**point));
    tools
        .map(|t| format!("tool {t}"))
        .chain(hooks.map(|h| format!("hook {h}")))
        .collect()
}

/// What a swap did, plugin by plugin.
pub(super) struct Shown {
    pub(super) report: RegistrationReport,
    pub(super) quarantined: Vec<Quarantined>,
}

/// Takes some plugins' contributions away and shows others', in one swap of the registry.
pub(super) fn swap(
    engine: &Engine,
    withdraw: &[PluginId],
    show: Vec<Prepared>,
) -> (Shown, Vec<(PluginId, Live)>) {
    let gone: Vec<_> = withdraw
        .iter()
        .cloned()
        .chain(show.iter().map(|p| p.plugin.clone()))
        .collect();
    let mut hooks = engine.hooks().without(&gone);
    // A plugin that comes again never stands still in between: a reload loses no call.
    let comes_again = |id: &&PluginId| show.iter().any(|prepared| prepared.plugin == **id);
    let leaving = withdraw.iter().filter(|id| !comes_again(id));
    for cell in leaving.filter_map(|id| engine.cell(id)) {
        stand(engine, &cell, Standing::Stopped);
    }
    let mut change = RegistryChange {
        remove: withdraw.to_vec(),
        add: Vec::new(),
    };
    let (mut quarantined, mut lives) = (Vec::new(), Vec::new());
    for prepared in show {
        let cell = engine.cell(&prepared.plugin);
        let Some(cell) = cell.filter(|cell| !cell.load().is_builtin()) else {
            continue;
        };
        stand(engine, &cell, Standing::Running);
        let plugin = prepared.plugin.clone();
        hooks.add(&plugin, cell.load().trust(), prepared.hooks.clone());
        change.add.push((
            plugin.clone(),
            entries(engine, &prepared, &cell, &mut quarantined),
        ));
        lives.push((plugin, prepared.live));
    }
    engine.set_hooks(hooks);
    let report = engine.registry.publish(change);
    (
        Shown {
            report,
            quarantined,
        },
        lives,
    )
}

/// Makes the registry's entries of what a plugin registered; a bad one is kept out, its siblings
/// are not (R11).
fn entries(
    engine: &Engine,
    prepared: &Prepared,
    cell: &Arc<HoldingsCell>,
    quarantined: &mut Vec<Quarantined>,
) -> Vec<ToolEntry> {
    let in_flight = Arc::clone(&prepared.live.in_flight);
    let owner = Owner {
        holdings: Arc::clone(cell),
        in_flight,
    };
    let mut entries = Vec::new();
    for tool in prepared.tools.iter().take(engine.limits.tools_per_plugin) {
        let declared = prepared
            .manifest
            .as_ref()
            .map(|manifest| manifest.contributes());
        let name = &tool.descriptor().name;
        let is_optional = declared
            .and_then(|adds| adds.tools.get(name))
            .is_some_and(|tool| tool.optional);
        let (tool, owner) = (Arc::clone(tool), owner.clone());
        match ToolEntry::admit(&prepared.plugin, tool, is_optional, owner, &engine.limits) {
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

/// Keeps what runs now and gives back the instances that it replaces.
pub(super) fn keep(
    lives: &mut BTreeMap<PluginId, Live>,
    started: Vec<(PluginId, Live)>,
) -> Vec<Live> {
    let mut replaced = Vec::new();
    for (id, mut live) in started {
        let latest = lives.values().map(|live| live.order).max();
        live.order = latest.map_or(0, |order| order + 1);
        replaced.extend(lives.insert(id, live));
    }
    replaced
}

/// Returns what runs, last started first.
pub(super) fn last_first(lives: BTreeMap<PluginId, Live>) -> Vec<(PluginId, Live)> {
    let mut lives: Vec<_> = lives.into_iter().collect();
    lives.sort_by_key(|(_, live)| std::cmp::Reverse(live.order));
    lives
}

/// Takes some plugins' contributions away.
pub(super) fn withdraw(engine: &Engine, plugins: &[PluginId]) {
    if !plugins.is_empty() {
        swap(engine, plugins, Vec::new());
        engine.announce();
    }
}

/// Lets the calls in flight end, within the grace, then stops the instance.
pub(super) async fn stop(engine: &Engine, live: Live) {
    let Some(instance) = live.instance else {
        return;
    };
    live.in_flight.retire();
    let drained = async {
        while !live.in_flight.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    // A call that outlives the grace goes on; its effects are refused from now on.
    let _in_time = tokio::time::timeout(engine.limits.stop, drained).await;
    stop_instance(engine, &*instance).await;
}

async fn stop_instance(engine: &Engine, instance: &dyn RunningPlugin) {
    let stopping = tokio::time::timeout(engine.limits.stop, catch_async(instance.stop())).await;
    match stopping {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => tracing::warn!(panic, "a plugin panicked while it was stopped"),
        Err(_) => tracing::warn!("a plugin did not stop in time"),
    }
}
