//! What the audit trail is told about the catalog: intent before, change after.

use keyway_plugin_api::{LogLevel, PluginId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{AuditError, AuditEvent, Change};
use crate::catalog::{CatalogError, CatalogEvent, CatalogState, EventLevel, Operation, Plan};
use crate::engine::Engine;
use crate::operator::OperatorId;

/// The plugin under which operations that are about none are recorded.
const CATALOG: &str = "catalog";

/// What the trail needs to know of a plan, once the plan itself is consumed.
pub(super) struct Noted {
    plugin: PluginId,
    operation: &'static str,
    by: Option<OperatorId>,
    revision: u64,
    message: String,
    change: Change,
    moves: Vec<(&'static str, &'static str)>,
    events: Vec<CatalogEvent>,
    collision: Option<AuditEvent>,
}

impl Noted {
    /// Notes a plan that `operator`'s host carries out.
    pub(super) fn of(plan: &Plan, before: &CatalogState, operator: &OperatorId) -> Option<Self> {
        let operation = plan.operation();
        let plugin = match operation.plugin() {
            Some(plugin) => plugin.clone(),
            None => PluginId::parse(CATALOG).ok()?,
        };
        Some(Self {
            operation: operation.kind().as_str(),
            by: operator_of(operation, operator),
            revision: plan.next().revision(),
            message: plan.result().message.clone(),
            change: change_between(before, plan.next()),
            moves: moves(before, plan.next(), &plugin),
            events: plan.events().to_vec(),
            collision: collision(plan),
            plugin,
        })
    }

    /// Notes what it is that is revoked: a plugin that runs.
    pub(super) fn while_running(mut self, runs: impl FnOnce(&PluginId) -> bool) -> Self {
        if self.moves == [("approved", "revoked")] && runs(&self.plugin) {
            self.moves = vec![("running", "revoked")];
        }
        self
    }

    /// Writes ahead what is about to happen; durable before anything does.
    pub(super) async fn intend(&self, engine: &Engine) -> Result<(), AuditError> {
        engine
            .record_durably(AuditEvent::OperationIntended {
                plugin: self.plugin.clone(),
                operation: self.operation.into(),
                by: self.by.clone(),
                revision: self.revision,
            })
            .await
    }

    pub(super) fn abort(self, engine: &Engine, why: &str) {
        engine.audit.record(AuditEvent::OperationAborted {
            plugin: self.plugin,
            operation: self.operation.into(),
            by: self.by,
            revision: self.revision,
            why: why.into(),
        });
    }

    pub(super) fn commit(self, engine: &Engine) {
        for (from, to) in self.moves {
            engine.audit.record(AuditEvent::LifecycleMoved {
                plugin: self.plugin.clone(),
                from: from.into(),
                to: to.into(),
                by: self.by.clone(),
                why: self.operation.into(),
            });
        }
        for event in self.events {
            announce(engine, event);
        }
        if let Some(collision) = self.collision {
            engine.audit.record(collision);
        }
        engine.audit.record(AuditEvent::OperationCommitted {
            plugin: self.plugin,
            operation: self.operation.into(),
            by: self.by,
            revision: self.revision,
            message: self.message.into(),
            change: Box::new(self.change),
        });
    }
}

/// How often an operation is planned again when others change the catalog in between.
const ATTEMPTS: usize = 16;

impl Engine {
    /// Carries out an operation that starts and stops nothing, and records it.
    pub(crate) fn run_recorded(&self, operation: &Operation) -> Result<(), CatalogError> {
        for _ in 1..ATTEMPTS {
            match self.try_recorded(operation) {
                Err(CatalogError::Conflict { .. }) => drop(self.catalog.refresh()?),
                settled => return settled,
            }
        }
        self.try_recorded(operation)
    }

    fn try_recorded(&self, operation: &Operation) -> Result<(), CatalogError> {
        let before = self.catalog.snapshot();
        let plan = self.catalog.plan(operation)?;
        let noted =
            Noted::of(&plan, &before, &OperatorId::host()).filter(|_| plan.changes_anything());
        self.catalog.apply(plan)?;
        if let Some(noted) = noted {
            noted.commit(self);
        }
        Ok(())
    }
}

/// Puts a fact that operators should read into the log and the trail.
pub(crate) fn announce(engine: &Engine, event: CatalogEvent) {
    let level = match event.level {
        EventLevel::Warning => {
            tracing::warn!(code = event.code, "{}", event.message);
            LogLevel::Warn
        }
        EventLevel::Info => {
            tracing::info!(code = event.code, "{}", event.message);
            LogLevel::Info
        }
    };
    let (plugin, message) = (event.plugin, event.message.into());
    engine.audit.record(AuditEvent::Notice {
        level,
        plugin,
        message,
    });
}

fn collision(plan: &Plan) -> Option<AuditEvent> {
    let collision = plan.collision()?.clone();
    Some(AuditEvent::SlotCollision {
        slot: collision.slot,
        incumbent_id: collision.incumbent_id,
        incumbent_precedence: collision.incumbent_precedence,
        challenger_id: collision.challenger_id,
        challenger_precedence: collision.challenger_precedence,
        will_displace: collision.will_displace,
    })
}

/// Returns the steps of a plugin's lifecycle that a change takes it through.
fn moves(
    before: &CatalogState,
    after: &CatalogState,
    plugin: &PluginId,
) -> Vec<(&'static str, &'static str)> {
    let state = |state: &CatalogState| {
        if state.is_revoked(plugin) {
            return "revoked";
        }
        state
            .entry(plugin)
            .map_or("discovered", |entry| entry.keyway.authority.as_str())
    };
    let (from, to) = (state(before), state(after));
    match (from, to) {
        _ if from == to => Vec::new(),
        // Whatever is in the catalog was read and found valid first.
        ("discovered", to) => vec![("discovered", "validated"), ("validated", to)],
        moved => vec![moved],
    }
}

/// Returns who stands for an operation: whom it names, else the host's operator for what only
/// operators ask for.
fn operator_of(operation: &Operation, operator: &OperatorId) -> Option<OperatorId> {
    use Operation as O;
    match operation {
        O::Approve { approval, .. } => Some(approval.by.clone()),
        O::AnswerCall { answer, .. } => Some(answer.by.clone()),
        O::ClearRevocation { by, .. }
        | O::Configure { by, .. }
        | O::Deny { by, .. }
        | O::DropProposal { by, .. }
        | O::ForgetToolRule { by, .. }
        | O::Revoke { by, .. }
        | O::RevokeGrant { by, .. }
        | O::SetScope { by, .. }
        | O::SetToolRule { by, .. } => Some(by.clone()),
        O::GrantOne { grant, .. } => Some(grant.by.clone()),
        O::Install { candidate } | O::Reload { candidate, .. } | O::Update { candidate, .. } => {
            let approval = candidate.approval.as_ref();
            Some(approval.map_or_else(|| operator.clone(), |approval| approval.by.clone()))
        }
        O::Disable { .. } | O::Enable { .. } | O::Uninstall { .. } => Some(operator.clone()),
        _ => None,
    }
}

/// The difference between two states, found by what they share: cheap however large they are.
pub(crate) fn change_between(before: &CatalogState, after: &CatalogState) -> Change {
    let mut change = Change::new();
    if before.revision() == 0 {
        change = change
            .set("/schemaVersion", json!(after.schema_version))
            .set("/entries", json!({}));
    }
    for (id, entry) in &after.entries {
        let is_same = before
            .entries
            .get(id)
            .is_some_and(|old| std::sync::Arc::ptr_eq(old, entry));
        if !is_same || before.revision() == 0 {
            change = change.set(format!("/entries/{id}"), value(entry));
        }
    }
    for id in before
        .entries
        .keys()
        .filter(|id| !after.entries.contains_key(*id))
    {
        change = change.remove(format!("/entries/{id}"));
    }
    change = change
        .set("/slotAssignments", slots(after))
        .set("/lastModifiedMs", json!(after.last_modified_ms));
    let record = value(&after.keyway);
    if record == json!({}) {
        change
    } else {
        change.set("/keyway", record)
    }
}

fn slots(state: &CatalogState) -> Value {
    let named = state
        .slot_assignments
        .iter()
        .map(|(slot, id)| (slot.as_str().to_owned(), id));
    named
        .map(|(slot, id)| (slot, json!(id)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}
