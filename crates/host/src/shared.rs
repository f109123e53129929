//! Lets a shared value stand where a trait of this crate is asked for, so that an embedder can
//! keep a handle to what it gives to the builder.

use std::sync::Arc;

use async_trait::async_trait;
use keyway_plugin_api::{EffectReply, EffectRequest, Manifest, PluginId, StateEntries, ToolError};

use crate::approval::{ApprovalRequest, Approver, Decision};
use crate::audit::{AuditError, AuditEvent, AuditHealth, AuditSink, Head, Recorded, Replayed};
use crate::catalog::{
    Catalog, CatalogError, CatalogOperationResult, CatalogState, Operation, Plan,
};
use crate::clock::{Clock, Reading};
use crate::effects::EffectPerformer;
use crate::gate::{Ask, CapabilityGate, EffectAsk, EffectPermit, EffectVerdict, Verdict};
use crate::registry::{
    RegistrationReport, RegistryChange, RegistrySnapshot, ToolEntry, ToolRegistry,
};
use crate::runtime::{Launch, PluginRuntime, StartError, Started};

#[async_trait]
impl<T: Approver + ?Sized> Approver for Arc<T> {
    async fn review(&self, request: &ApprovalRequest) -> Decision {
        (**self).review(request).await
    }
}

impl<T: AuditSink + ?Sized> AuditSink for Arc<T> {
    fn record(&self, event: AuditEvent) {
        (**self).record(event);
    }
    fn record_at(&self, unix_ms: i64, event: AuditEvent) {
        (**self).record_at(unix_ms, event);
    }
    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        (**self).record_durably(event)
    }
    fn health(&self) -> AuditHealth {
        (**self).health()
    }
    fn flush(&self) -> Result<(), AuditError> {
        (**self).flush()
    }
    fn replayed(&self) -> Result<Option<Replayed>, AuditError> {
        (**self).replayed()
    }
    fn recorded(&self) -> Result<Option<Recorded>, AuditError> {
        (**self).recorded()
    }
}

impl<T: Catalog + ?Sized> Catalog for Arc<T> {
    fn snapshot(&self) -> Arc<CatalogState> {
        (**self).snapshot()
    }
    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        (**self).plan(operation)
    }
    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError> {
        (**self).apply(plan)
    }
    fn refresh(&self) -> Result<bool, CatalogError> {
        (**self).refresh()
    }
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now_ms(&self) -> i64 {
        (**self).now_ms()
    }
    fn monotonic_us(&self) -> u64 {
        (**self).monotonic_us()
    }
    fn read(&self) -> Reading {
        (**self).read()
    }
}

impl<T: CapabilityGate + ?Sized> CapabilityGate for Arc<T> {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        (**self).decide(ask)
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        (**self).decide_effect(ask)
    }
}

impl<T: ToolRegistry + ?Sized> ToolRegistry for Arc<T> {
    fn snapshot(&self) -> Arc<RegistrySnapshot> {
        (**self).snapshot()
    }
    fn tool(&self, name: &str) -> Option<Arc<ToolEntry>> {
        (**self).tool(name)
    }
    fn publish(&self, change: RegistryChange) -> RegistrationReport {
        (**self).publish(change)
    }
}

#[async_trait]
impl<T: EffectPerformer + ?Sized> EffectPerformer for Arc<T> {
    async fn perform(
        &self,
        permit: EffectPermit,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        (**self).perform(permit, request).await
    }
    async fn export_state(&self, plugin: &PluginId) -> Result<StateEntries, ToolError> {
        (**self).export_state(plugin).await
    }
    async fn replace_state(
        &self,
        plugin: &PluginId,
        entries: StateEntries,
    ) -> Result<(), ToolError> {
        (**self).replace_state(plugin, entries).await
    }
}

#[async_trait]
impl<T: PluginRuntime + ?Sized> PluginRuntime for Arc<T> {
    fn supports(&self, manifest: &Manifest) -> bool {
        (**self).supports(manifest)
    }
    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        (**self).start(launch).await
    }
}
