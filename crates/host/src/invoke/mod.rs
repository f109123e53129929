//! The one path of a call: resolve, gate, hooks, validate, operator, permit, run, hooks, audit.
//!
//! Built-in, linked, process, WASM and MCP tools all come through [`invoke`]; there is no other
//! way to run a tool. The order is fixed: the gate decides before any hook sees the arguments, and
//! the permit is spent right before the plugin is reached, so that a revocation in between counts.

mod error;
mod record;
mod resolve;
mod run;
mod telemetry;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use keyway_plugin_api::{Denial, DenialReason, Effect, HookPoint, ToolOutput};

pub use error::{CallError, Outcome};
pub(crate) use record::Recorder;
pub(crate) use resolve::{Found, is_visible_under, resolve};

use crate::caller::Caller;
use crate::engine::Engine;
use crate::gate::{Ask, AskNumber, Holdings, HoldingsCell, Judgement, Permit, Standing};
use crate::host::Consent;
use crate::registry::{NotTaken, ToolEntry};
use crate::schema;
use crate::services::CallServices;

/// One call on its way.
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) services: &'a Arc<CallServices>,
    pub(crate) tool: Arc<ToolEntry>,
    /// What the plugin held when the tool was found, for the gate's first look.
    pub(crate) held: Option<Guard<Arc<Holdings>>>,
    pub(crate) arguments: Cow<'a, str>,
    pub(crate) deadline: Option<Duration>,
    /// An operator has approved exactly this call.
    pub(crate) is_approved: bool,
    /// Plugins on whose behalf the call is made; each must hold what the tool needs.
    pub(crate) chain: &'a [Arc<HoldingsCell>],
}

/// What the gate let pass, or what it wants first.
enum Passed {
    With(Permit),
    NeedsApproval,
}

/// Runs a call from the gate to the audit record.
///
/// What is rare on the way (hooks, an operator, a wait) is boxed, so that the future of a call is
/// small: it is moved several times before it is polled.
pub(crate) async fn invoke(engine: &Engine, call: Call<'_>) -> Result<Outcome, CallError> {
    let mut recorder = Recorder::begin(engine, call);
    let result = match telemetry::CallSpan::open(&recorder) {
        None => steps(&mut recorder).await,
        Some(span) => Box::pin(span.around(steps(&mut recorder))).await,
    };
    recorder.finish(&result);
    result
}

async fn steps(recorder: &mut Recorder<'_>) -> Result<Outcome, CallError> {
    let engine = recorder.engine;
    schema::check_text(&recorder.call.arguments, &engine.limits).map_err(CallError::malformed)?;
    let passed = pass_gate(recorder)?;
    if engine.is_hooked(HookPoint::PreToolCall) {
        Box::pin(before(recorder)).await?;
    }
    validate(engine, &recorder.call)?;
    // An operator is asked about what would run: after the hooks, and never about what is invalid.
    let permit = match passed {
        Passed::With(permit) => permit,
        Passed::NeedsApproval => match Box::pin(consent(recorder)).await? {
            Consent::Pending(request) => return Ok(Outcome::NeedsApproval(request)),
            Consent::Answered(output) => return Ok(Outcome::Done(output)),
            Consent::Given(arguments) => pass_with_consent(recorder, arguments)?,
        },
    };
    reach(recorder, permit).await.map(Outcome::Done)
}

/// Takes a place in the instance that serves now, and runs the tool there.
async fn reach(recorder: &mut Recorder<'_>, permit: Permit) -> Result<ToolOutput, CallError> {
    let engine = recorder.engine;
    let limit = engine.limits.calls_in_flight;
    let mut has_parked = false;
    let _place = loop {
        match recorder.call.tool.owner.in_flight.enter(limit) {
            Ok(place) => break place,
            Err(NotTaken::Full) => {
                let plugin = recorder.call.tool.plugin().clone();
                return Err(CallError::Overloaded { plugin, limit });
            }
            Err(NotTaken::Retired) => {}
        }
        let tool = Arc::clone(&recorder.call.tool);
        let next = Box::pin(run::successor_or_wait(engine, &tool, &mut has_parked)).await;
        recorder.has_waited = true;
        recorder.call.tool = next?;
    };
    if recorder.call.tool.descriptor().effect >= Effect::Destructive {
        Box::pin(recorder.intend()).await?;
        recorder.has_waited = true;
    }
    // From here to the tool's first poll nothing waits: the look at the holdings is the last word.
    let paid = redeem(recorder, permit)?;
    let (output, facts) = run::run(recorder, paid).await;
    recorder.facts = facts;
    let output = run::check_output(engine, &recorder.call.tool, output?)?;
    match engine.is_hooked(HookPoint::PostToolCall) {
        true => Box::pin(after(recorder, output)).await,
        false => Ok(output),
    }
}

/// Asks the gate for the tool's own plugin and for every plugin the call is made on behalf of.
fn pass_gate(recorder: &mut Recorder<'_>) -> Result<Passed, CallError> {
    let Recorder {
        engine,
        number,
        call,
        trust,
        ..
    } = recorder;
    let decide = |holdings: &Holdings| {
        let ask = Ask {
            number: AskNumber(*number),
            caller: call.caller,
            tool: &call.tool,
            holdings,
            time: &engine.time,
            is_approved: call.is_approved,
        };
        engine.judge(ask)
    };
    for cell in call.chain {
        if let Judgement::Denied(denial) = decide(&cell.load()) {
            return Err(CallError::Denied(denial));
        }
    }
    let first = call.held.take();
    let holdings = first.unwrap_or_else(|| call.tool.holdings().load());
    *trust = Some(holdings.trust());
    match decide(&holdings) {
        Judgement::Permitted(permit) => Ok(Passed::With(permit)),
        Judgement::Denied(denial) => Err(CallError::Denied(denial)),
        Judgement::NeedsApproval => Ok(Passed::NeedsApproval),
    }
}

async fn consent(recorder: &mut Recorder<'_>) -> Result<Consent, CallError> {
    recorder.has_waited = true;
    recorder.engine.consent(&recorder.call).await
}

/// Asks the gate again, now that an operator has consented: everything else must hold as well.
fn pass_with_consent(recorder: &mut Recorder<'_>, arguments: String) -> Result<Permit, CallError> {
    let (engine, call) = (recorder.engine, &mut recorder.call);
    call.consented(arguments);
    schema::check_text(&call.arguments, &engine.limits).map_err(CallError::malformed)?;
    validate(engine, call)?;
    match pass_gate(recorder)? {
        Passed::With(permit) => Ok(permit),
        Passed::NeedsApproval => {
            let tool = &recorder.call.tool;
            Err(CallError::refused_by_operator(tool, "still asked"))
        }
    }
}

/// Spends the permit: the last look at the holdings before the plugin is reached. Gives the tags
/// of the grants of which it spent a use.
///
/// This load is the moment at which a call begins. A revocation stores the cell first, so no call
/// begins after it returned (attack C2).
fn redeem(recorder: &Recorder<'_>, permit: Permit) -> Result<Vec<String>, CallError> {
    let (number, tool) = (AskNumber(recorder.number), &recorder.call.tool);
    let refuse = |reason| {
        Err(CallError::Denied(Box::new(Denial::new(
            reason,
            tool.name(),
            "a call",
        ))))
    };
    if permit.number != number || permit.definition != tool.definition() {
        return refuse(DenialReason::Forbidden);
    }
    for tag in &permit.spends {
        recorder
            .engine
            .spend_use(tool.plugin(), tag, recorder.call.caller)
            .map_err(|d| CallError::Denied(Box::new(d)))?;
    }
    match tool.holdings().load().standing() {
        Standing::Running => Ok(permit.spends),
        Standing::Revoked => refuse(DenialReason::Revoked),
        Standing::Down | Standing::Stopped => refuse(DenialReason::NotRunning),
    }
}

/// Runs the hooks before; a transform may rewrite the arguments.
async fn before(recorder: &mut Recorder<'_>) -> Result<(), CallError> {
    recorder.has_waited = true;
    let call = &mut recorder.call;
    let payload = serde_json::from_str(&call.arguments).map_err(CallError::not_json)?;
    let point = (HookPoint::PreToolCall, Some(recorder.number));
    let payload = recorder
        .engine
        .fire(point, call.caller, call.tool.name(), payload)
        .await?;
    call.arguments = Cow::Owned(payload.to_string());
    Ok(())
}

/// Runs the hooks after; a transform may rewrite the result.
async fn after(recorder: &Recorder<'_>, output: ToolOutput) -> Result<ToolOutput, CallError> {
    let (call, before) = (&recorder.call, output.to_value());
    let point = (HookPoint::PostToolCall, Some(recorder.number));
    let payload = recorder
        .engine
        .fire(point, call.caller, call.tool.name(), before.clone())
        .await?;
    if payload == before {
        return Ok(output);
    }
    ToolOutput::json(&payload).map_err(CallError::Failed)
}

/// Validates the arguments where the tool's own parser does not do exactly that.
fn validate(engine: &Engine, call: &Call<'_>) -> Result<(), CallError> {
    if call.tool.descriptor().typed {
        return Ok(());
    }
    // Not any parser: a member that stands twice would mean one thing here and another there.
    let value = schema::parse(&call.arguments, &engine.limits).map_err(CallError::bad_arguments)?;
    let validator = call.tool.validator(&engine.validators).get();
    let validator = validator.map_err(|e| CallError::no_validator(call.tool.name(), &e))?;
    validator.validate(&value).map_err(CallError::bad_arguments)
}
