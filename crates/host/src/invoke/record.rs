//! Makes sure that every call leaves its audit event, also one whose caller went away.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_plugin_api::CallInfo;

use super::{Call, CallError, Outcome};
use crate::audit::AuditEvent;
use crate::clock::Reading;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::rank::Trust;

/// A call that is recorded: when it finishes, or as cancelled when it is dropped before.
pub(crate) struct Recorder<'a> {
    pub(super) engine: &'a Engine,
    pub(super) number: u64,
    pub(super) call: Call<'a>,
    /// How far the plugin's source was believed when the gate looked.
    pub(super) trust: Option<Trust>,
    /// Names that the call had and needs no more: the record takes them over.
    pub(super) facts: Option<CallInfo>,
    began: Reading,
    /// Whether the call has waited for anything, so that it is later than when it began.
    pub(super) has_waited: bool,
    is_recorded: bool,
}

impl<'a> Recorder<'a> {
    pub(super) fn begin(engine: &'a Engine, call: Call<'a>) -> Self {
        Self {
            engine,
            number: engine.next_number(),
            call,
            trust: None,
            facts: None,
            began: engine.time.read(),
            has_waited: false,
            is_recorded: false,
        }
    }

    /// Returns Unix time in milliseconds; reads the clock only where the call has waited.
    pub(super) fn now_ms(&self) -> i64 {
        match self.has_waited {
            true => self.engine.time.now_ms(),
            false => self.began.unix_ms,
        }
    }

    /// Writes ahead that a call is about to run whose effect cannot be taken back.
    pub(super) async fn intend(&self) -> Result<(), CallError> {
        let tool = &self.call.tool;
        let event = AuditEvent::CallIntended {
            call: self.number,
            tool: Arc::clone(tool.shared_name()),
            plugin: tool.plugin().clone(),
            caller: Arc::clone(self.call.caller.shown()),
            effect: tool.descriptor().effect,
            definition: tool.definition(),
            arguments: Digest::of(self.call.arguments.as_bytes()),
        };
        self.engine
            .record_durably(event)
            .await
            .map_err(|e| CallError::unrecorded(tool.name(), &e))
    }

    pub(super) fn finish(mut self, result: &Result<Outcome, CallError>) {
        self.is_recorded = true;
        match result {
            Ok(Outcome::Done(_)) => self.record("OK"),
            Ok(Outcome::NeedsApproval(_)) => self.record("APPROVAL_PENDING"),
            Err(CallError::Denied(denial)) => self.engine.audit.record(AuditEvent::CallDenied {
                tool: Arc::clone(self.call.tool.shared_name()),
                caller: Arc::clone(self.call.caller.shown()),
                denial: denial.clone(),
            }),
            Err(error) => self.record(error.code()),
        }
    }

    fn record(&mut self, outcome: &'static str) {
        let (now, tool) = (self.engine.time.read(), &self.call.tool);
        let facts = self.facts.take();
        let facts = facts.unwrap_or_else(|| facts_of(self.number, &self.call));
        let believed_now = || tool.holdings().load().trust();
        let event = AuditEvent::ToolCalled {
            call: self.number,
            tool: facts.tool,
            plugin: facts.plugin,
            trust: self.trust.unwrap_or_else(believed_now),
            caller: facts.caller,
            effect: tool.descriptor().effect,
            definition: tool.definition(),
            outcome: Cow::Borrowed(outcome),
            duration_us: now.monotonic_us.saturating_sub(self.began.monotonic_us),
        };
        self.engine.audit.record_at(now.unix_ms, event);
    }
}

/// Returns what a call is known by.
pub(super) fn facts_of(number: u64, call: &Call<'_>) -> CallInfo {
    CallInfo::new(
        number,
        call.tool.plugin().clone(),
        Arc::clone(call.tool.shared_name()),
        Arc::clone(call.caller.shown()),
    )
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        if !self.is_recorded {
            self.record("CANCELLED");
        }
    }
}
