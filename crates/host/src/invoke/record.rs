//! Makes sure that every call leaves its audit event, also one whose caller went away.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_plugin_api::Effect;

use super::{Call, CallError, Outcome};
use crate::audit::AuditEvent;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::registry::ToolEntry;

/// Records one call: when it finishes, or as cancelled when it is dropped before.
pub(crate) struct Recorder<'a> {
    engine: &'a Engine,
    number: u64,
    tool: Arc<ToolEntry>,
    caller: Arc<str>,
    began_us: u64,
    is_recorded: bool,
}

impl<'a> Recorder<'a> {
    pub(super) fn begin(engine: &'a Engine, number: u64, call: &Call<'_>) -> Self {
        Self {
            engine,
            number,
            tool: Arc::clone(&call.tool),
            caller: Arc::clone(call.caller.shown()),
            began_us: engine.time.monotonic_us(),
            is_recorded: false,
        }
    }

    /// Writes ahead that a call is about to run whose effect cannot be taken back.
    pub(super) async fn intend(&self, call: &Call<'_>) -> Result<(), CallError> {
        let effect = self.tool.descriptor().effect;
        if effect < Effect::Destructive {
            return Ok(());
        }
        let event = AuditEvent::CallIntended {
            call: self.number,
            tool: Arc::clone(self.tool.shared_name()),
            plugin: self.tool.plugin().clone(),
            caller: Arc::clone(&self.caller),
            effect,
            definition: self.tool.definition(),
            arguments: Digest::of(call.arguments.as_bytes()),
        };
        self.engine
            .record_durably(event)
            .await
            .map_err(|e| CallError::unrecorded(self.tool.name(), &e))
    }

    pub(super) fn finish(mut self, result: &Result<Outcome, CallError>) {
        self.is_recorded = true;
        match result {
            Ok(Outcome::Done(_)) => self.record("OK"),
            Ok(Outcome::NeedsApproval(_)) => self.record("APPROVAL_PENDING"),
            Err(CallError::Denied(denial)) => self.engine.audit.record(AuditEvent::CallDenied {
                tool: Arc::clone(self.tool.shared_name()),
                caller: Arc::clone(&self.caller),
                denial: denial.clone(),
            }),
            Err(error) => self.record(error.code()),
        }
    }

    fn record(&self, outcome: &'static str) {
        let duration_us = self
            .engine
            .time
            .monotonic_us()
            .saturating_sub(self.began_us);
        self.engine.audit.record(AuditEvent::ToolCalled {
            call: self.number,
            tool: Arc::clone(self.tool.shared_name()),
            plugin: self.tool.plugin().clone(),
            trust: self.tool.holdings().load().trust(),
            caller: Arc::clone(&self.caller),
            effect: self.tool.descriptor().effect,
            definition: self.tool.definition(),
            outcome: Cow::Borrowed(outcome),
            duration_us,
        });
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        if !self.is_recorded {
            self.record("CANCELLED");
        }
    }
}
