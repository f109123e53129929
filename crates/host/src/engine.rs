//! What a call needs, shared by every view and every plugin of one host.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use keyway_plugin_api::{Denial, DenialReason, HookEvent, HookPoint, PluginId};
use serde_json::Value;
use tokio::sync::watch;

use crate::approval::Approver;
use crate::audit::{AuditError, AuditEvent, AuditSink, Redactor};
use crate::caller::Caller;
use crate::catalog::{Catalog, Operation};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::effects::EffectPerformer;
use crate::gate::{Ask, CapabilityGate, EffectAsk, EffectJudgement, HoldingsCell, Judgement};
use crate::hooks::{ChainReport, HookBlocked, HookTable, run_chain};
use crate::host::shown::ShownPlugins;
use crate::invoke::CallError;
use crate::limits::Limits;
use crate::notice::Notices;
use crate::panics::catch;
use crate::parking::Parking;
use crate::registry::ToolRegistry;
use crate::schema::ValidatorCache;
use crate::time::HostTime;

/// A caller, a tool and its definition: what a yes for the session holds for.
pub(crate) type SessionYes = (String, String, Digest);

/// The parts of a host that calls run through.
pub(crate) struct Engine {
    pub(crate) registry: Arc<dyn ToolRegistry>,
    pub(crate) gate: Arc<dyn CapabilityGate>,
    pub(crate) audit: Arc<dyn AuditSink>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) effects: Arc<dyn EffectPerformer>,
    pub(crate) approver: Arc<dyn Approver>,
    pub(crate) redactor: Redactor,
    pub(crate) time: HostTime,
    pub(crate) limits: Limits,
    pub(crate) validators: ValidatorCache,
    hooks: ArcSwap<HookTable>,
    /// One bit for each hook point that has a hook, so that the common call looks at no table.
    hooked: AtomicU16,
    pub(crate) cells: ArcSwap<BTreeMap<PluginId, Arc<HoldingsCell>>>,
    /// Whoever changes a cell looks at the catalog and writes under this lock, so that nobody
    /// writes down what was true before a revocation after it.
    cells_writer: Mutex<()>,
    pub(crate) session: Mutex<HashSet<SessionYes>>,
    /// What is visible of the plugins that run.
    pub(crate) shown: ShownPlugins,
    pub(crate) notices: Notices,
    pub(crate) parking: Parking,
    /// Number of changes of what can be called; views cache by it, callers watch it.
    pub(crate) changes: watch::Sender<u64>,
    next_call: AtomicU64,
}

/// What an [`Engine`] is made of; the builder fills it.
pub(crate) struct EngineParts {
    pub(crate) registry: Arc<dyn ToolRegistry>,
    pub(crate) gate: Arc<dyn CapabilityGate>,
    pub(crate) audit: Arc<dyn AuditSink>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) effects: Arc<dyn EffectPerformer>,
    pub(crate) approver: Arc<dyn Approver>,
    pub(crate) redactor: Redactor,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
}

/// Compiled validators that are kept; the rest is compiled again when it is needed again.
const VALIDATORS_KEPT: usize = 1024;

impl Engine {
    pub(crate) fn new(parts: EngineParts) -> Self {
        Self {
            registry: parts.registry,
            gate: parts.gate,
            audit: parts.audit,
            catalog: parts.catalog,
            effects: parts.effects,
            approver: parts.approver,
            redactor: parts.redactor,
            time: HostTime::new(parts.clock),
            limits: parts.limits,
            validators: ValidatorCache::new(VALIDATORS_KEPT, parts.limits),
            hooks: ArcSwap::default(),
            hooked: AtomicU16::new(0),
            cells: ArcSwap::default(),
            cells_writer: Mutex::default(),
            session: Mutex::default(),
            shown: ShownPlugins::default(),
            notices: Notices::new(),
            parking: Parking::default(),
            changes: watch::Sender::new(0),
            next_call: AtomicU64::new(1),
        }
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.next_call.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns every hook that is registered now.
    pub(crate) fn hooks(&self) -> Arc<HookTable> {
        self.hooks.load_full()
    }

    pub(crate) fn set_hooks(&self, table: HookTable) {
        let hooked = table.points();
        self.hooks.store(Arc::new(table));
        self.hooked.store(hooked, Ordering::Release);
    }

    /// Tells whether any hook is registered at a point.
    pub(crate) fn is_hooked(&self, point: HookPoint) -> bool {
        self.hooked.load(Ordering::Acquire) & crate::hooks::bit(point) != 0
    }

    pub(crate) fn cell(&self, plugin: &PluginId) -> Option<Arc<HoldingsCell>> {
        self.cells.load().get(plugin).cloned()
    }

    /// Keeps everybody else from changing what plugins hold.
    pub(crate) fn change_cells(&self) -> std::sync::MutexGuard<'_, ()> {
        self.cells_writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who watches that what can be called has changed.
    pub(crate) fn announce(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Records an event and waits until it is on the disk, without holding up the async runtime.
    pub(crate) async fn record_durably(&self, event: AuditEvent) -> Result<(), AuditError> {
        let audit = Arc::clone(&self.audit);
        let task = tokio::task::spawn_blocking(move || audit.record_durably(event));
        match task.await {
            Ok(written) => written.map(drop),
            Err(join) => Err(AuditError::unavailable(join.to_string())),
        }
    }

    /// Runs the hooks of a point and records what they did; gives the payload back, rewritten or
    /// not.
    pub(crate) async fn fire(
        &self,
        (point, call): (HookPoint, Option<u64>),
        caller: &Caller,
        tool: &str,
        payload: Value,
    ) -> Result<Value, HookBlocked> {
        let table = self.hooks.load_full();
        let mut event = HookEvent::new(point, caller.shown().as_ref(), tool, payload);
        let mut report = ChainReport::default();
        let result = run_chain(table.at(point), &mut event, self.limits.hook, &mut report).await;
        self.record_hooks(point, call, report, result.as_ref().err());
        result.map(|()| event.payload)
    }

    fn record_hooks(
        &self,
        point: HookPoint,
        call: Option<u64>,
        report: ChainReport,
        blocked: Option<&HookBlocked>,
    ) {
        for plugin in report.rewrote {
            self.audit.record(AuditEvent::HookRewrote {
                call,
                plugin,
                point,
            });
        }
        for (plugin, reason) in report.failed {
            let reason = reason.into();
            self.audit.record(AuditEvent::HookFailed {
                call,
                plugin,
                point,
                reason,
            });
        }
        if let Some(HookBlocked { plugin, reason }) = blocked {
            let (plugin, reason) = (plugin.clone(), reason.as_str().into());
            self.audit.record(AuditEvent::HookBlocked {
                call,
                plugin,
                point,
                reason,
            });
        }
    }

    /// Asks the gate about a call; a gate that panics has said no.
    pub(crate) fn judge(&self, ask: Ask<'_>) -> Judgement {
        let tool = ask.tool();
        catch(|| self.gate.decide(ask).0)
            .unwrap_or_else(|panic| Judgement::Denied(Box::new(gate_panicked(tool.name(), &panic))))
    }

    /// Asks the gate about an effect; a gate that panics has said no.
    pub(crate) fn judge_effect(&self, ask: EffectAsk<'_>) -> EffectJudgement {
        let plugin = ask.holdings().plugin();
        catch(|| self.gate.decide_effect(ask).0).unwrap_or_else(|panic| {
            EffectJudgement::Denied(Box::new(gate_panicked(plugin.as_str(), &panic)))
        })
    }

    /// Spends one use of a counted grant, durably, before the call runs.
    pub(crate) fn spend_use(
        &self,
        plugin: &PluginId,
        tag: &str,
        caller: &Caller,
    ) -> Result<(), Denial> {
        let operation = Operation::SpendGrant {
            plugin: plugin.clone(),
            tag: tag.to_owned(),
            caller: caller.scope().clone(),
        };
        match self.run_recorded(&operation) {
            Ok(()) => {
                crate::host::refresh_holdings(self, plugin);
                Ok(())
            }
            Err(_) => Err(Denial::new(
                DenialReason::UsesExhausted,
                plugin.as_str(),
                tag,
            )),
        }
    }

    /// Records that a caller named a tool that there is none of for it.
    pub(crate) fn record_unresolved(&self, caller: &Caller, error: &CallError) {
        let (tool, denial) = match error {
            CallError::Denied(denial) => (denial.subject.as_str(), denial.clone()),
            CallError::UnknownTool { name, .. } => {
                let denial = Denial::new(DenialReason::NotRunning, name, "a call");
                (name.as_str(), Box::new(denial))
            }
            _ => return,
        };
        self.audit.record(AuditEvent::CallDenied {
            tool: tool.into(),
            caller: Arc::clone(caller.shown()),
            denial,
        });
    }

    pub(crate) fn session(&self) -> std::sync::MutexGuard<'_, HashSet<SessionYes>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gate_panicked(subject: &str, panic: &str) -> Denial {
    tracing::error!(subject, panic, "the gate panicked");
    Denial::new(DenialReason::Forbidden, subject, "an answer of the gate")
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
