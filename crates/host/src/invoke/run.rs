//! Reaches the plugin: bounded in number, in time and in what it may give back.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use keyway_plugin_api::{
    Arguments, CallCx, CallInfo, Denial, DenialReason, ToolErrorKind, ToolOutput,
};

use super::record::facts_of;
use super::{Call, CallError, Recorder};
use crate::engine::Engine;
use crate::gate::Standing;
use crate::panics::catch_async;
use crate::registry::ToolEntry;

/// Finds the tool that a call goes to whose instance is on its way out; waits once while the
/// plugin is just being replaced.
///
/// A call that was decided on before a reload goes to the new instance, where its tool is the same
/// to the last byte of its description; the permit was made for that description.
pub(super) async fn successor_or_wait(
    engine: &Engine,
    tool: &Arc<ToolEntry>,
    has_parked: &mut bool,
) -> Result<Arc<ToolEntry>, CallError> {
    match successor(engine, tool) {
        Err(_) if !*has_parked && engine.parking.wait(tool.plugin()).await => {
            *has_parked = true;
            successor(engine, tool)
        }
        found => found,
    }
}

fn successor(engine: &Engine, tool: &Arc<ToolEntry>) -> Result<Arc<ToolEntry>, CallError> {
    let snapshot = engine.registry.snapshot();
    let next = snapshot.get(tool.name());
    let reason = match next.filter(|next| !Arc::ptr_eq(next, tool)) {
        Some(next) if next.definition() == tool.definition() => return Ok(Arc::clone(next)),
        Some(_) => DenialReason::DefinitionChanged,
        None if tool.holdings().load().standing() == Standing::Revoked => DenialReason::Revoked,
        None => DenialReason::NotRunning,
    };
    let denial = Denial::new(reason, tool.name(), "a call");
    Err(CallError::Denied(Box::new(denial)))
}

/// Calls the tool; its panic, its hanging and its refusal of the arguments become values.
///
/// Gives the facts of the call back, too, where the tool kept none of them.
pub(super) async fn run(
    recorder: &Recorder<'_>,
    paid: Vec<String>,
) -> (Result<ToolOutput, CallError>, Option<CallInfo>) {
    let Recorder { engine, call, .. } = recorder;
    let limit = call
        .deadline
        .map_or(engine.limits.call, |wish| wish.min(engine.limits.call));
    let mut info = facts_of(recorder.number, call);
    info.deadline_ms = recorder
        .now_ms()
        .saturating_add(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
    let (cx, guard) = CallCx::begin(info, call.services.having_paid(paid));
    let work = catch_async(call.tool.tool.call(Arguments::new(&call.arguments), &cx));
    let result = match within(limit, work).await {
        Some(Ok(Ok(output))) => Ok(output),
        Some(Ok(Err(error))) if error.kind == ToolErrorKind::InvalidArguments => {
            Err(explain(engine, call, error.message))
        }
        Some(Ok(Err(error))) => Err(CallError::Failed(error)),
        Some(Err(message)) => Err(CallError::Panicked { message }),
        None => {
            let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            Err(CallError::TimedOut { limit_ms })
        }
    };
    (result, guard.end(cx))
}

/// Waits at most `limit`; the first poll comes before any timer is made, because most linked
/// tools are ready at once.
async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let first = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(output) => Some(output),
        Poll::Pending => Box::pin(tokio::time::timeout(limit, work)).await.ok(),
    }
}

/// Says every problem of arguments that the tool's own parser refused at the first.
fn explain(engine: &Engine, call: &Call<'_>, parser_says: String) -> CallError {
    let value = match serde_json::from_str(&call.arguments) {
        Ok(value) => value,
        Err(error) => return CallError::not_json(error),
    };
    let validator = call.tool.validator(&engine.validators).get().ok();
    match validator.and_then(|validator| validator.validate(&value).err()) {
        Some(problems) => CallError::bad_arguments(problems),
        None => CallError::refused_arguments(parser_says),
    }
}

/// Checks what came back: its size, and its schema where the tool's types do not guarantee it.
pub(super) fn check_output(
    engine: &Engine,
    tool: &ToolEntry,
    output: ToolOutput,
) -> Result<ToolOutput, CallError> {
    let bytes = size_of_output(&output);
    if bytes > engine.limits.output_bytes {
        let limit = engine.limits.output_bytes;
        return Err(CallError::OutputTooLarge { bytes, limit });
    }
    let Some(validator) = tool.result_validator(&engine.validators) else {
        return Ok(output);
    };
    let invalid = |problem: String| CallError::OutputInvalid { problem };
    let ToolOutput::Json(raw) = &output else {
        return Err(invalid("expected a JSON result".to_owned()));
    };
    let value = serde_json::from_str(raw.get()).map_err(|e| invalid(e.to_string()))?;
    let validator = validator.get().map_err(|e| invalid(e.to_string()))?;
    validator
        .validate(&value)
        .map_err(|problems| invalid(problems.to_string()))?;
    Ok(output)
}

fn size_of_output(output: &ToolOutput) -> usize {
    match output {
        ToolOutput::Text(text) => text.len(),
        ToolOutput::Json(raw) => raw.get().len(),
        other => other.to_value().to_string().len(),
    }
}
