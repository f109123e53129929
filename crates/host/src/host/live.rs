//! What runs: starting an instance, making it visible, taking it away, stopping it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyway_plugin_api::{
    CallCx, CallGuard, CallInfo, EffectReply, EffectRequest, HookPoint, HostServices, Manifest,
    PluginId, SecretValue, ToolDescriptor, ToolName,
};
use serde_json::Value;

use super::definitions::digest_of;
use super::layout::NewLayout;
use super::shown::{self, Contribution};
use super::{Host, compatible, manifests};
use crate::caller::{Caller, Origin};
use crate::catalog::CatalogEntry;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::gate::Moment;
use crate::panics::catch_async;
use crate::registry::{Described, InFlight, Quarantined, RegistrationReport};
use crate::runtime::{
    Enforcement, Launch, PluginRuntime, RunningPlugin, StartError, Started, Supervision,
};
use crate::services::CallServices;

/// What a runtime gets beyond its stages before it is given up on.
const PATIENCE: Duration = Duration::from_millis(200);

/// A plugin that runs; `None` where there is nothing to stop.
pub(crate) struct Live {
    instance: Option<Arc<dyn RunningPlugin>>,
    /// While it is here the plugin may ask for effects outside calls.
    background: Option<CallGuard>,
    in_flight: Arc<InFlight>,
    pub(super) enforcement: Enforcement,
    /// What was approved when it was started.
    digest: Option<Digest>,
    /// What operators had set when it was started.
    settings: serde_json::Map<String, Value>,
    /// Its place in the order of the starts: the number of the instance.
    order: u64,
}

impl Live {
    pub(super) fn has_code(&self) -> bool {
        self.instance.is_some()
    }

    /// Tells whether it is what an entry says now: the same bytes with the same settings.
    pub(super) fn is_of(&self, entry: &CatalogEntry) -> bool {
        let record = &entry.keyway;
        let is_same = self.digest == record.declared.digest && self.settings == record.settings;
        !self.has_code() || is_same
    }
}

/// An instance that has started and is not yet visible.
pub(super) struct Prepared {
    what: Contribution,
    live: Live,
    /// Its state in the layout that it works with, where that is another one.
    layout: Option<NewLayout>,
}

impl Prepared {
    pub(super) fn plugin(&self) -> &PluginId {
        &self.what.plugin
    }

    /// Returns the digests of the definitions that were registered.
    pub(super) fn pins(&self) -> BTreeMap<ToolName, Digest> {
        self.what.pins()
    }

    pub(super) fn descriptors(&self) -> Vec<ToolDescriptor> {
        let descriptors = self.what.tools.iter().map(Described::told);
        descriptors.cloned().collect()
    }

    pub(super) fn enforcement(&self) -> Enforcement {
        self.live.enforcement
    }

    /// Returns the version of the state that the plugin owns, where it owns any.
    pub(super) fn state_version(&self) -> Option<u32> {
        layout_of(self.what.manifest.as_deref())
    }

    /// Returns the number of the instance.
    pub(super) fn number(&self) -> u64 {
        self.what.instance
    }

    pub(super) fn take_layout(&mut self) -> Option<NewLayout> {
        self.layout.take()
    }

    pub(super) fn instance(&self) -> Option<&Arc<dyn RunningPlugin>> {
        self.live.instance.as_ref()
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
        let manifest = self.manifests.take(entry)?;
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
        let (launch, background) = self.launch(entry, &manifest).await?;
        let instance = launch.supervision.instance();
        let started = self.start_within(&**runtime, launch).await?;
        let started = self.check(&manifest, entry, started).await?;
        let in_flight: Arc<InFlight> = Arc::default();
        let live = Live {
            instance: Some(started.instance),
            background: Some(background),
            in_flight: Arc::clone(&in_flight),
            enforcement: started.enforcement,
            digest: declared.digest,
            settings: entry.keyway.settings.clone(),
            order: instance,
        };
        let tools = started.tools.into_iter();
        let described = tools.map(|tool| Described::of(tool, &self.engine.limits));
        let what = Contribution {
            plugin,
            instance,
            manifest: Some(manifest),
            tools: described.collect(),
            hooks: started.hooks,
            in_flight,
        };
        let mut ready = Prepared {
            what,
            live,
            layout: None,
        };
        match self.new_layout(&ready).await {
            Ok(layout) => {
                ready.layout = layout;
                Ok(ready)
            }
            Err(error) => {
                ready.discard(&self.engine).await;
                Err(error)
            }
        }
    }

    /// Collects what a runtime is handed; the guard ends what the plugin may do outside calls.
    async fn launch(
        &self,
        entry: &CatalogEntry,
        manifest: &Arc<Manifest>,
    ) -> Result<(Launch, CallGuard), StartError> {
        let (plugin, record) = (&entry.manifest.name, &entry.keyway);
        let instance = self.engine.next_number();
        let origin = Origin::Plugin(plugin.clone());
        let caller = Caller::new(record.scope.clone(), origin);
        let services = CallServices::for_plugin(&self.engine, caller.clone(), Moment::Background);
        let shown = Arc::clone(caller.shown());
        let info = CallInfo::new(0, plugin.clone(), "".into(), shown);
        let (background, guard) = CallCx::begin(info, services);
        let document = || Digest::of_json(&record.declared.document);
        let launch = Launch {
            manifest: Arc::clone(manifest),
            digest: record.declared.digest.unwrap_or_else(document),
            settings: self.settings_of(entry, manifest)?,
            source_path: entry.source_path.as_ref().map(PathBuf::from),
            limits: self.engine.limits,
            trust: record.trust,
            required: self.policy.minimum(record.trust),
            grants: Digest::of_json(&serde_json::to_value(&record.grants).unwrap_or_default()),
            tools: digest_of(&record.declared.tool_pins),
            granted: record.grants.iter().map(|g| g.capability.clone()).collect(),
            env: self.env_of(entry, manifest, caller).await?,
            supervision: Supervision::new(&self.engine, plugin.clone(), instance),
            background,
        };
        Ok((launch, guard))
    }

    /// Reads the granted secrets that the manifest wants in the environment; a name that is not
    /// asked for as a secret is a condition on the machine and is not handed over.
    async fn env_of(
        &self,
        entry: &CatalogEntry,
        manifest: &Manifest,
        caller: Caller,
    ) -> Result<BTreeMap<String, SecretValue>, StartError> {
        let plugin = &entry.manifest.name;
        let services = CallServices::for_plugin(&self.engine, caller.clone(), Moment::Start);
        let info = CallInfo::new(0, plugin.clone(), "".into(), Arc::clone(caller.shown()));
        let mut env = BTreeMap::new();
        let asks = |name: &str| {
            let mut requests = manifest.capabilities().iter();
            requests.any(|request| request.capability.allows_secret(name))
        };
        let grants = &entry.keyway.grants;
        let is_granted = |name: &str| grants.iter().any(|g| g.capability.allows_secret(name));
        let wanted = manifest.activation().env.iter();
        for name in wanted.filter(|name| asks(name) && is_granted(name)) {
            let request = EffectRequest::SecretRead { name: name.clone() };
            match services.perform(&info, request).await {
                Ok(EffectReply::Secret(value)) => drop(env.insert(name.clone(), value)),
                Ok(_) => {}
                Err(error) => {
                    let reason = format!("secret {name} for its environment: {error}");
                    return Err(StartError::Failed { reason });
                }
            }
        }
        Ok(env)
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

    /// Returns what operators set for a plugin, else what the embedder did, held to the schema in
    /// its manifest.
    fn settings_of(&self, entry: &CatalogEntry, manifest: &Manifest) -> Result<Value, StartError> {
        let set = &entry.keyway.settings;
        let embedded = self.settings.get(&entry.manifest.name);
        let settings = match embedded.filter(|_| set.is_empty()) {
            Some(embedded) => embedded.clone(),
            None => Value::Object(set.clone()),
        };
        let Some(schema) = manifest.settings() else {
            return Ok(settings);
        };
        let name = manifest.name();
        let invalid = |problem: String| StartError::Settings {
            problem: format!("{problem}; run: keyway plugin configure {name} KEY=VALUE"),
        };
        let validator = self.engine.validators.intern(schema).get();
        let validator = validator.map_err(|e| invalid(e.to_string()))?;
        let held = validator.validate(&settings);
        held.map_err(|e| invalid(e.of("settings")))?;
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

/// Tells whether an instance of one version can run beside one of another.
pub(super) fn may_overlap(old: &CatalogEntry, next: &CatalogEntry) -> bool {
    let (old, next) = (declared(old), declared(next));
    let overlaps = |manifest: &Option<Manifest>| {
        let runtime = manifest.as_ref().and_then(Manifest::runtime);
        runtime.is_none_or(|runtime| runtime.overlap)
    };
    overlaps(&old) && overlaps(&next) && layout_of(old.as_ref()) == layout_of(next.as_ref())
}

/// Tells whether two versions keep their state in one layout.
pub(super) fn same_layout(old: &CatalogEntry, next: &CatalogEntry) -> bool {
    layout_of(declared(old).as_ref()) == layout_of(declared(next).as_ref())
}

fn declared(entry: &CatalogEntry) -> Option<Manifest> {
    manifests::parse(&entry.keyway.declared.document).ok()
}

/// Returns the version of the state that a plugin owns, where it owns any.
fn layout_of(manifest: Option<&Manifest>) -> Option<u32> {
    let state = manifest?.state()?;
    state.owns.then_some(state.version)
}

fn without_code(plugin: PluginId, manifest: Option<Arc<Manifest>>) -> Prepared {
    let in_flight: Arc<InFlight> = Arc::default();
    let live = Live {
        instance: None,
        background: None,
        in_flight: Arc::clone(&in_flight),
        // With no code there is nothing that could do more than it was granted.
        enforcement: Enforcement::Enforced,
        digest: None,
        settings: serde_json::Map::new(),
        order: 0,
    };
    let what = Contribution {
        plugin,
        instance: 0,
        manifest,
        tools: Vec::new(),
        hooks: Vec::new(),
        in_flight,
    };
    Prepared {
        what,
        live,
        layout: None,
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
    let (mut lives, mut contributions) = (Vec::new(), Vec::new());
    for prepared in show {
        lives.push((prepared.what.plugin.clone(), prepared.live));
        contributions.push(prepared.what);
    }
    let swapped = shown::swap(engine, withdraw, contributions);
    lives.retain(|(plugin, _)| swapped.taken.contains(plugin));
    let shown = Shown {
        report: swapped.report,
        quarantined: swapped.quarantined,
    };
    (shown, lives)
}

/// Keeps what runs now and gives back the instances that it replaces.
pub(super) fn keep(
    lives: &mut BTreeMap<PluginId, Live>,
    started: Vec<(PluginId, Live)>,
) -> Vec<Live> {
    let replaced = started.into_iter().map(|(id, live)| lives.insert(id, live));
    replaced.flatten().collect()
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

/// Lets no new call in and the calls in flight end, within the grace.
pub(super) async fn drain(engine: &Engine, live: &Live) {
    live.in_flight.retire();
    let drained = async {
        while !live.in_flight.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    // A call that outlives the grace goes on; its effects are refused from now on.
    let _in_time = tokio::time::timeout(engine.limits.stop, drained).await;
}

/// Stops the instance of a revoked plugin at once, and waits for its calls in flight within the
/// grace: a call that was let in may not have reached the plugin yet, and none begins after this.
pub(super) async fn stop_now(engine: &Engine, live: Live) {
    live.in_flight.retire();
    tokio::join!(end(engine, &live), drain(engine, &live));
}

/// Lets the calls in flight end, within the grace, then stops the instance.
pub(super) async fn stop(engine: &Engine, live: Live) {
    drain(engine, &live).await;
    end(engine, &live).await;
}

async fn end(engine: &Engine, live: &Live) {
    if let Some(background) = &live.background {
        // Before `stop`, which may wait for what the plugin does by itself.
        background.cancel();
    }
    if let Some(instance) = &live.instance {
        stop_instance(engine, &**instance).await;
    }
}

async fn stop_instance(engine: &Engine, instance: &dyn RunningPlugin) {
    let stopping = tokio::time::timeout(engine.limits.stop, catch_async(instance.stop())).await;
    match stopping {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => tracing::warn!(panic, "a plugin panicked while it was stopped"),
        Err(_) => tracing::warn!("a plugin did not stop in time"),
    }
}
