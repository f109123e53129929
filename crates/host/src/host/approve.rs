//! Calls that wait for an operator: asked, decided, remembered, spent.

use std::borrow::Cow;

use keyway_plugin_api::ToolOutput;
use serde_json::Value;

use super::{Host, HostError};
use crate::approval::{ApprovalId, ApprovalRequest, ApprovalSubject, Decision};
use crate::audit::{AuditEvent, Redactor};
use crate::catalog::{CallAnswer, CallQuestion, Operation};
use crate::digest::{Digest, canonical};
use crate::engine::Engine;
use crate::invoke::{Call, CallError};
use crate::panics::catch_async;

/// Bytes of the arguments that are shown where a call waits.
const PREVIEW_BYTES: usize = 400;

/// What becomes of a call that the policy wants an operator to look at.
pub(crate) enum Consent {
    /// Give the caller this instead of running the tool.
    Answered(ToolOutput),
    /// Run it, with these arguments.
    Given(String),
    /// Come back later.
    Pending(Box<ApprovalRequest>),
}

impl Engine {
    /// Finds an operator's consent to a call: given before, given now, or not given yet.
    pub(crate) async fn consent(&self, call: &Call<'_>) -> Result<Consent, CallError> {
        let arguments: Value =
            serde_json::from_str(&call.arguments).map_err(CallError::not_json)?;
        let question = question(call, &arguments, &self.redactor);
        let given = call.arguments.clone().into_owned();
        if self.session().contains(&session_key(&question)) || self.spend_answer(&question)? {
            return Ok(Consent::Given(given));
        }
        if let Some(reason) = self.refusal(&question) {
            return Err(CallError::refused_by_operator(&call.tool, &reason));
        }
        let request = self.ask(&question, arguments);
        self.decide(call, question, request, given).await
    }

    /// Returns why an operator said no to exactly this call, where one did.
    fn refusal(&self, question: &CallQuestion) -> Option<String> {
        let state = self.catalog.snapshot();
        let kept = state.keyway.call_approvals.get(&question.id())?;
        let answer = kept.answer.as_ref().filter(|answer| !answer.allow)?;
        Some(answer.reason.clone().unwrap_or_default())
    }

    fn ask(&self, question: &CallQuestion, arguments: Value) -> ApprovalRequest {
        let request = ApprovalRequest {
            id: ApprovalId::fresh(),
            at_ms: self.time.now_ms(),
            subject: ApprovalSubject::Call {
                tool: question.tool.to_string(),
                definition: question.definition,
                caller: question.caller.clone(),
                effect: question.effect,
                arguments,
            },
        };
        self.audit.record(AuditEvent::ApprovalRequested {
            approval: request.id.as_str().into(),
            plugin: question.tool.plugin().clone(),
            asked: vec![question.tool.to_string()],
            digest: question.definition,
        });
        request
    }

    async fn decide(
        &self,
        call: &Call<'_>,
        question: CallQuestion,
        request: ApprovalRequest,
        given: String,
    ) -> Result<Consent, CallError> {
        let reviewed = catch_async(self.approver.review(&request)).await;
        let decision = reviewed.unwrap_or(Decision::Later);
        self.record_decision(call, &request, &decision);
        match decision {
            Decision::Approve { .. } => Ok(Consent::Given(given)),
            Decision::Session => {
                self.session().insert(session_key(&question));
                Ok(Consent::Given(given))
            }
            Decision::Edit { arguments } => Ok(Consent::Given(arguments.to_string())),
            Decision::Answer { output } => ToolOutput::json(&output)
                .map(Consent::Answered)
                .map_err(CallError::Failed),
            Decision::Deny { reason } => Err(CallError::refused_by_operator(&call.tool, &reason)),
            Decision::Later => {
                let id = self.keep(&question)?;
                Ok(Consent::Pending(Box::new(ApprovalRequest {
                    id,
                    ..request
                })))
            }
        }
    }

    fn record_decision(&self, call: &Call<'_>, request: &ApprovalRequest, decision: &Decision) {
        let (code, why) = match decision {
            Decision::Answer { .. } => ("answer", ""),
            Decision::Approve { .. } => ("approve", ""),
            Decision::Deny { reason } => ("deny", reason.as_str()),
            Decision::Edit { .. } => ("edit", ""),
            Decision::Later => return,
            Decision::Session => ("session", ""),
        };
        self.audit.record(AuditEvent::ApprovalDecided {
            approval: request.id.as_str().into(),
            plugin: call.tool.plugin().clone(),
            decision: code.into(),
            by: None,
            why: why.into(),
        });
    }

    /// Keeps the question in the catalog, so that it outlives the host.
    fn keep(&self, question: &CallQuestion) -> Result<ApprovalId, CallError> {
        let operation = Operation::AskCall {
            question: question.clone(),
        };
        self.run_recorded(&operation)
            .map_err(|why| CallError::not_kept(question, &why))?;
        Ok(question.id().into())
    }

    /// Takes one use off an operator's earlier yes to exactly this call.
    fn spend_answer(&self, question: &CallQuestion) -> Result<bool, CallError> {
        let state = self.catalog.snapshot();
        let judged_ms = state.judged_ms(self.time.now_ms());
        let kept = &state.keyway.call_approvals;
        let Some((id, kept)) = kept
            .iter()
            .find(|(_, kept)| kept.permits(question, judged_ms))
        else {
            return Ok(false);
        };
        let is_counted = kept
            .answer
            .as_ref()
            .is_some_and(|answer| answer.uses_left.is_some());
        if is_counted {
            let operation = Operation::SpendCall { id: id.clone() };
            self.run_recorded(&operation)
                .map_err(|why| CallError::not_kept(question, &why))?;
        }
        Ok(true)
    }
}

/// The digest is of the arguments as they came and binds the consent to them; the preview is for
/// people and is kept, so no secret is in it. Nothing runs from a preview: the caller repeats the
/// call.
fn question(call: &Call<'_>, arguments: &Value, redactor: &Redactor) -> CallQuestion {
    let text = canonical(arguments);
    CallQuestion {
        tool: call.tool.id().clone(),
        caller: call.caller.scope().clone(),
        effect: call.tool.descriptor().effect,
        definition: call.tool.definition(),
        arguments: Digest::of(text.as_bytes()),
        preview: preview(&redactor.redact(&text)),
    }
}

/// Cuts what was redacted already: half a secret is no longer found.
fn preview(text: &str) -> String {
    let mut starts = text.char_indices().map(|(at, _)| at);
    match starts.find(|at| *at >= PREVIEW_BYTES) {
        Some(end) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn session_key(question: &CallQuestion) -> crate::engine::SessionYes {
    (
        question.caller.to_string(),
        question.tool.to_string(),
        question.definition,
    )
}

impl Host {
    /// Answers a call that waits; the same call then passes, also after a restart.
    ///
    /// # Errors
    /// [`HostError::Catalog`] when no such call waits.
    pub async fn resolve(&self, id: &ApprovalId, answer: CallAnswer) -> Result<(), HostError> {
        let id = id.as_str().to_owned();
        self.run(&Operation::AnswerCall { id, answer })
            .await
            .map(drop)
    }

    pub(super) async fn review(&self, request: &ApprovalRequest) -> Decision {
        let reviewed = catch_async(self.engine.approver.review(request)).await;
        reviewed.unwrap_or(Decision::Later)
    }
}

impl<'a> Call<'a> {
    /// Takes over the arguments that an operator consented to.
    pub(crate) fn consented(&mut self, arguments: String) {
        self.arguments = Cow::Owned(arguments);
        self.is_approved = true;
    }
}
