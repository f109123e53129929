//! Every operation: start what is to start, write the catalog, swap, stop what is to stop.
//!
//! The order makes a failed start harmless: the new instance runs before anything is written, the
//! catalog is written before anything is visible, and the old instance goes last (settlement 7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use keyway_plugin_api::{PluginId, ToolName};

use super::live::{self, Live, Prepared};
use super::trail::Noted;
use super::withheld::Withheld;
use super::{Host, HostError, definitions, holdings, probation};
use crate::audit::AuditEvent;
use crate::catalog::{
    Candidate, CatalogEntry, CatalogError, CatalogOperationResult, Operation, OperationKind, Plan,
    ReloadStage, SlotCollision,
};
use crate::digest::Digest;
use crate::runtime::{Enforcement, StartError};

/// What an operation did.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct OperationReport {
    /// What source 002 calls the result.
    #[serde(flatten)]
    pub result: CatalogOperationResult,
    /// The contest for a slot, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision: Option<SlotCollision>,
}

/// How far an operation reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The catalog only; what it says runs is started later.
    Catalog,
    /// The instances that run, too.
    Instances,
}

pub(super) type Lives<'a> = tokio::sync::MutexGuard<'a, BTreeMap<PluginId, Live>>;

/// How often an operation is planned again when others change the catalog in between.
const ATTEMPTS: usize = 1000;

impl Host {
    /// Carries out an operation: plans it on the catalog as it is now and applies the plan.
    ///
    /// # Errors
    /// [`HostError`]; nothing was changed then.
    pub async fn run(&self, operation: &Operation) -> Result<OperationReport, HostError> {
        self.run_as(operation, self.reach()).await
    }

    /// How far operations reach: into what runs, once the host has started.
    fn reach(&self) -> Reach {
        if self.is_started() {
            Reach::Instances
        } else {
            Reach::Catalog
        }
    }

    pub(super) async fn run_as(
        &self,
        operation: &Operation,
        reach: Reach,
    ) -> Result<OperationReport, HostError> {
        for _ in 1..ATTEMPTS {
            let result = self.apply_as(self.plan(operation)?, reach).await;
            let lost = matches!(
                result,
                Err(HostError::Catalog(CatalogError::Conflict { .. }))
            );
            if !lost || operation.is_judgement() {
                return result;
            }
            self.refresh().await?;
        }
        self.apply_as(self.plan(operation)?, reach).await
    }

    /// Carries out a plan, whole or not at all.
    ///
    /// # Errors
    /// [`HostError`]; nothing was changed then. [`CatalogError::Conflict`] when the catalog
    /// changed since the plan was made.
    pub async fn apply(&self, plan: Plan) -> Result<OperationReport, HostError> {
        self.apply_as(plan, self.reach()).await
    }

    async fn apply_as(&self, plan: Plan, reach: Reach) -> Result<OperationReport, HostError> {
        let _withheld = Withheld::by(&self.engine, &plan);
        let lives = self.live.lock().await;
        let alone = match reach {
            Reach::Catalog => Vec::new(),
            Reach::Instances => self.alone(&plan, &lives),
        };
        if alone.is_empty() {
            return Box::pin(self.apply_locked(lives, plan, reach)).await;
        }
        Box::pin(self.apply_alone(lives, plan, &alone)).await
    }

    /// Carries a plan out that replaces plugins of which only one instance can run. Their calls
    /// wait meanwhile; where the new instance does not come, the old version does again.
    pub(super) async fn apply_alone(
        &self,
        mut lives: Lives<'_>,
        plan: Plan,
        alone: &[PluginId],
    ) -> Result<OperationReport, HostError> {
        let closed = self.engine.parking.close(alone);
        let began_us = self.engine.time.monotonic_us();
        for plugin in alone {
            self.take_down(&mut lives, plugin).await;
        }
        let is_reload = plan.operation().kind() == OperationKind::Reload;
        let result = self.apply_locked(lives, plan, Reach::Instances).await;
        self.follow_catalog(false).await;
        drop(closed);
        let gone_us = self.engine.time.monotonic_us().saturating_sub(began_us);
        match (result, alone) {
            (Ok(report), [plugin, ..]) if is_reload => Ok(with_downtime(report, plugin, gone_us)),
            (result, _) => result,
        }
    }

    /// Stops a plugin while its calls wait.
    async fn take_down(&self, lives: &mut Lives<'_>, plugin: &PluginId) {
        let Some(live) = lives.remove(plugin) else {
            return;
        };
        live::drain(&self.engine, &live).await;
        live::withdraw(&self.engine, std::slice::from_ref(plugin));
        self.record_stopped(plugin);
        live::stop(&self.engine, live).await;
    }

    /// Lists the plugins that a plan starts, that run, and that cannot run twice: they say so, or
    /// their state changes its layout.
    fn alone(&self, plan: &Plan, lives: &Lives<'_>) -> Vec<PluginId> {
        let before = self.engine.catalog.snapshot();
        let cannot_overlap = |id: &&PluginId| {
            let entries = plan.next().entry(id).zip(before.entry(id));
            entries.is_some_and(|(next, old)| !live::may_overlap(old, next))
        };
        let running = |id: &&PluginId| lives.get(*id).is_some_and(Live::has_code);
        let starts = plan.starts().iter();
        starts
            .filter(running)
            .filter(cannot_overlap)
            .cloned()
            .collect()
    }

    async fn apply_locked(
        &self,
        lives: Lives<'_>,
        plan: Plan,
        reach: Reach,
    ) -> Result<OperationReport, HostError> {
        let before = self.engine.catalog.snapshot();
        let noted = Noted::of(&plan, &before, &self.operator)
            .map(|noted| noted.while_running(|id| lives.contains_key(id)));
        let prepared = match self.prepare_all(&plan, reach).await {
            Ok(prepared) => prepared,
            Err((plugin, error)) => return self.not_ready(lives, plan, plugin, error).await,
        };
        let written = match &noted {
            Some(noted) if plan.changes_anything() => noted.intend(&self.engine).await,
            _ => Ok(()),
        };
        if let Err(error) = written {
            self.discard(prepared).await;
            return Err(error.into());
        }
        self.commit(lives, plan, noted, prepared).await
    }

    /// Settles a plan whose plugin did not start. A new version that defines its tools otherwise is
    /// put beside the old one until an operator has looked at it (settlement 22); the rest fails.
    async fn not_ready(
        &self,
        lives: Lives<'_>,
        plan: Plan,
        plugin: PluginId,
        error: StartError,
    ) -> Result<OperationReport, HostError> {
        let asked = match &error {
            StartError::DefinitionChanged { pins, changed } => {
                with_pins(plan.operation(), &plugin, (pins, changed))
            }
            _ => None,
        };
        match asked {
            None => Err(self.start_failed(&plan, &plugin, error)),
            Some(operation) => {
                let plan = self.plan(&operation)?;
                Box::pin(self.apply_locked(lives, plan, Reach::Instances)).await
            }
        }
    }

    async fn prepare_all(
        &self,
        plan: &Plan,
        reach: Reach,
    ) -> Result<Vec<Prepared>, (PluginId, StartError)> {
        let mut prepared = Vec::new();
        if reach == Reach::Catalog {
            return Ok(prepared);
        }
        for plugin in plan.starts() {
            let Some(entry) = plan.next().entry(plugin) else {
                continue;
            };
            match self.prepare_pinned(entry).await {
                Ok(ready) => prepared.push(ready),
                Err(error) => {
                    self.discard(prepared).await;
                    return Err((plugin.clone(), error));
                }
            }
        }
        Ok(prepared)
    }

    /// Starts an instance whose tools are among those that were approved, where they are known.
    pub(super) async fn prepare_pinned(
        &self,
        entry: &CatalogEntry,
    ) -> Result<Prepared, StartError> {
        // Boxed: a start is a large future, and an embedder polls it on its own stack.
        let ready = Box::pin(self.prepare(entry)).await?;
        let known = &entry.keyway.declared.tool_pins;
        if known.is_empty() || !ready.has_code() {
            return Ok(ready);
        }
        let changed = definitions::changed(&self.engine, known, &ready);
        if changed.is_empty() {
            return Ok(ready);
        }
        let (pins, tools) = (ready.pins(), ready.descriptors());
        ready.discard(&self.engine).await;
        // Whoever is asked about them, now or after a restart, is shown what they say.
        let definitions = self.engine.shown.definitions();
        definitions.keep(&pins, &tools, &self.engine.redactor);
        Err(StartError::DefinitionChanged { changed, pins })
    }

    fn start_failed(&self, plan: &Plan, plugin: &PluginId, error: StartError) -> HostError {
        self.engine.audit.record(AuditEvent::PluginFailed {
            plugin: plugin.clone(),
            stage: error.stage().to_owned().into(),
            reason: error.to_string().into(),
        });
        let plugin = plugin.clone();
        if plan.operation().kind() == OperationKind::Reload {
            let (stage, reason) = (ReloadStage::Initialize, error.to_string());
            return CatalogError::ReloadFailed {
                plugin,
                stage,
                reason,
            }
            .into();
        }
        HostError::Start {
            plugin,
            source: error,
        }
    }

    async fn discard(&self, prepared: Vec<Prepared>) {
        for ready in prepared {
            ready.discard(&self.engine).await;
        }
    }

    async fn commit(
        &self,
        mut lives: Lives<'_>,
        plan: Plan,
        noted: Option<Noted>,
        prepared: Vec<Prepared>,
    ) -> Result<OperationReport, HostError> {
        let (before, kind) = (self.engine.catalog.snapshot(), plan.operation().kind());
        let (stops, collision) = (plan.stops().to_vec(), plan.collision().cloned());
        let changes = plan.changes_anything();
        let catalog = Arc::clone(&self.engine.catalog);
        let applied = tokio::task::spawn_blocking(move || catalog.apply(plan)).await;
        let result = match applied.map_err(|_| HostError::Stopping)? {
            Ok(result) => result,
            Err(error) => {
                if let Some(noted) = noted {
                    noted.abort(&self.engine, &error.to_string());
                }
                self.discard(prepared).await;
                return Err(error.into());
            }
        };
        let has_changed = holdings::refresh_all(&self.engine);
        if let Some(noted) = noted.filter(|_| changes) {
            noted.commit(&self.engine);
        }
        self.pin_unknown(&prepared);
        let prepared = self.write_layouts(prepared).await;
        let after = self.engine.catalog.snapshot();
        for ready in &prepared {
            let instance = (ready.plugin(), ready.number());
            probation::begin(&self.engine, kind, (&before, &after), instance);
        }
        self.show(&mut lives, &stops, prepared, has_changed).await;
        Ok(OperationReport { result, collision })
    }

    /// Pins the definitions of plugins that run for the first time since they were approved.
    fn pin_unknown(&self, prepared: &[Prepared]) {
        for ready in prepared.iter().filter(|ready| ready.has_code()) {
            let pins = ready.pins();
            let definitions = self.engine.shown.definitions();
            definitions.keep(&pins, &ready.descriptors(), &self.engine.redactor);
            let operation = Operation::PinTools {
                plugin: ready.plugin().clone(),
                pins,
                changes: Vec::new(),
            };
            if let Err(error) = self.engine.run_recorded(&operation) {
                tracing::warn!(plugin = %ready.plugin(), "its tools could not be pinned: {error}");
            }
        }
    }

    /// Makes the new instances visible and the old ones go, in one swap; tells everybody once if
    /// that changed what can be called, or if something else did (`has_changed`).
    pub(super) async fn show(
        &self,
        lives: &mut Lives<'_>,
        stops: &[PluginId],
        prepared: Vec<Prepared>,
        has_changed: bool,
    ) {
        let running = |id: &&PluginId| lives.contains_key(*id);
        let withdraw: Vec<_> = stops.iter().filter(running).cloned().collect();
        let visible_before = self.engine.registry.snapshot().generation();
        let state = self.catalog();
        let is_revoked = |id: &&PluginId| state.is_revoked(id);
        let (mut revoked, mut old) = (Vec::new(), Vec::new());
        if !withdraw.is_empty() || !prepared.is_empty() {
            self.record_running_and_stopped(lives, &withdraw, &prepared);
            let (shown, started) = live::swap(&self.engine, &withdraw, prepared);
            self.record_shown(&shown);
            let ended = withdraw.iter().filter(is_revoked);
            revoked.extend(ended.filter_map(|id| lives.remove(id)));
            old.extend(withdraw.iter().filter_map(|id| lives.remove(id)));
            old.extend(live::keep(lives, started));
        }
        if has_changed || visible_before != self.engine.registry.snapshot().generation() {
            self.engine.announce();
        }
        for live in revoked {
            live::stop_now(&self.engine, live).await;
        }
        for live in old {
            live::stop(&self.engine, live).await;
        }
    }

    /// Records who begins and who ceases to run; who comes back in the same step does neither.
    fn record_running_and_stopped(
        &self,
        lives: &Lives<'_>,
        withdraw: &[PluginId],
        prepared: &[Prepared],
    ) {
        let state = self.catalog();
        for ready in prepared.iter().filter(|ready| ready.has_code()) {
            if !lives.contains_key(ready.plugin()) {
                self.record_running(ready.plugin(), ready.enforcement());
            }
        }
        for id in withdraw {
            let returns = prepared.iter().any(|ready| ready.plugin() == id);
            let has_code = lives.get(id).is_some_and(Live::has_code);
            if has_code && !returns && !state.is_revoked(id) {
                self.record_stopped(id);
            }
        }
    }

    pub(super) fn record_running(&self, plugin: &PluginId, enforcement: Enforcement) {
        let why = format!("enforcement: {enforcement}");
        let from = match self.stopped().remove(plugin) {
            true => "stopped",
            false => "approved",
        };
        self.record_moved(plugin, (from, "running"), &why);
    }

    pub(super) fn record_stopped(&self, plugin: &PluginId) {
        self.record_moved(plugin, ("running", "stopped"), "");
        self.stopped().insert(plugin.clone());
    }

    fn stopped(&self) -> MutexGuard<'_, BTreeSet<PluginId>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_moved(&self, plugin: &PluginId, (from, to): (&'static str, &'static str), why: &str) {
        self.engine.audit.record(AuditEvent::LifecycleMoved {
            plugin: plugin.clone(),
            from: from.into(),
            to: to.into(),
            by: None,
            why: why.into(),
        });
    }

    pub(super) fn record_shown(&self, shown: &live::Shown) {
        for clash in &shown.report.clashes {
            self.engine.audit.record(AuditEvent::NameClash {
                name: clash.name.as_str().into(),
                winner: clash.winner.as_str().into(),
                loser: clash.loser.to_string().into(),
                rule: clash.rule.as_str().into(),
            });
        }
        for kept_out in &shown.quarantined {
            self.engine.audit.record(AuditEvent::ToolQuarantined {
                plugin: kept_out.tool.plugin().clone(),
                tool: kept_out.tool.tool().as_str().into(),
                reason: kept_out.reason.as_str().into(),
            });
        }
    }

    pub(super) fn record_failure(&self, plugin: &PluginId, error: &StartError) {
        tracing::warn!(%plugin, stage = error.stage(), "a plugin did not start: {error}");
        self.engine.audit.record(AuditEvent::PluginFailed {
            plugin: plugin.clone(),
            stage: error.stage().to_owned().into(),
            reason: error.to_string().into(),
        });
    }
}

/// Returns the same operation with the definitions that its candidate turned out to have.
fn with_pins(
    operation: &Operation,
    plugin: &PluginId,
    (pins, changed): (&BTreeMap<ToolName, Digest>, &[String]),
) -> Option<Operation> {
    let told = |candidate: &Candidate| {
        let candidate = candidate.clone().with_tool_pins(pins.clone());
        Box::new(candidate.with_tool_changes(changed.to_vec()))
    };
    let is_new = |candidate: &Candidate| {
        candidate.plugin() == plugin && candidate.declared.tool_pins != *pins
    };
    let plugin = plugin.clone();
    match operation {
        Operation::Reload { candidate, .. } if is_new(candidate) => Some(Operation::Reload {
            plugin,
            candidate: told(candidate),
        }),
        Operation::Update { candidate, .. } if is_new(candidate) => Some(Operation::Update {
            plugin,
            candidate: told(candidate),
        }),
        _ => None,
    }
}

fn with_downtime(mut report: OperationReport, plugin: &PluginId, gone_us: u64) -> OperationReport {
    let ms = gone_us.div_ceil(1000);
    report.result.message = format!("Reloaded {plugin}. Downtime: {ms}ms.");
    report
}
