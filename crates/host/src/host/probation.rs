//! New versions that have just taken over: one that crashes twice is taken back by itself.

use std::collections::BTreeMap;

use keyway_plugin_api::{LogLevel, PluginId};

use super::{Host, shown};
use crate::catalog::{CatalogEntry, CatalogState, Operation, OperationKind};
use crate::engine::Engine;

/// Failures within the time of probation after which a version is taken back.
const CRASHES: u32 = 2;

/// A version that has just taken over, and the one it took over from.
pub(super) struct Probation {
    instance: u64,
    previous: CatalogEntry,
    until_us: u64,
    crashes: u32,
}

/// The plugins on probation, and those that did not pass.
#[derive(Default)]
pub(super) struct Probations {
    running: BTreeMap<PluginId, Probation>,
    failed: Vec<(PluginId, CatalogEntry)>,
}

impl Probations {
    pub(super) fn begin(&mut self, plugin: PluginId, probation: Probation) {
        self.running.insert(plugin, probation);
    }

    /// Counts a failure; tells whether the version did not pass.
    pub(super) fn count(&mut self, plugin: &PluginId, instance: u64, now_us: u64) -> bool {
        let Some(probation) = self.running.get_mut(plugin) else {
            return false;
        };
        if probation.instance != instance || now_us >= probation.until_us {
            self.running.remove(plugin);
            return false;
        }
        probation.crashes += 1;
        if probation.crashes < CRASHES {
            return false;
        }
        let failed = self.running.remove(plugin);
        self.failed
            .extend(failed.map(|probation| (plugin.clone(), probation.previous)));
        true
    }

    pub(super) fn take_failed(&mut self) -> Vec<(PluginId, CatalogEntry)> {
        std::mem::take(&mut self.failed)
    }
}

/// Puts a version on probation that takes over from another one, where there is a way back: state
/// that was brought to another layout is not brought back.
pub(super) fn begin(
    engine: &Engine,
    kind: OperationKind,
    (before, after): (&CatalogState, &CatalogState),
    (plugin, instance): (&PluginId, u64),
) {
    let replaces = matches!(
        kind,
        OperationKind::Approve | OperationKind::Reload | OperationKind::Update
    );
    let Some((old, new)) = before.entry(plugin).zip(after.entry(plugin)) else {
        return;
    };
    let is_same = old.keyway.declared.digest == new.keyway.declared.digest;
    let was_approved = old.is_live();
    if !replaces || is_same || !was_approved || !super::live::same_layout(old, new) {
        return;
    }
    let time = u64::try_from(engine.limits.probation.as_micros()).unwrap_or(u64::MAX);
    let probation = Probation {
        instance,
        previous: old.clone(),
        until_us: engine.time.monotonic_us().saturating_add(time),
        crashes: 0,
    };
    engine.shown.begin_probation(plugin.clone(), probation);
}

impl Host {
    /// Takes back the versions that did not pass their probation.
    pub(super) async fn roll_back_failed(&self) {
        for (plugin, previous) in self.engine.shown.take_failed() {
            let operation = Operation::RollBack {
                plugin: plugin.clone(),
                to: Box::new(previous),
                reason: format!("it crashed {CRASHES} times on probation"),
            };
            let (level, message) = match self.run(&operation).await {
                Ok(report) => (LogLevel::Warn, report.result.message),
                Err(error) => (
                    LogLevel::Error,
                    format!("it crashed on probation and cannot be rolled back: {error}"),
                ),
            };
            shown::tell(&self.engine, shown::notice(level, &plugin, &message));
        }
    }
}
