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

use keyway_plugin_api::{Denial, DenialReason, HookPoint, ToolOutput};

pub use error::{CallError, Outcome};
pub(crate) use record::Recorder;
pub(crate) use resolve::{is_visible_under, resolve};

use crate::caller::Caller;
use crate::engine::Engine;
use crate::gate::{Ask, AskNumber, Holdings, HoldingsCell, Judgement, Permit, Standing};
use crate::host::Consent;
use crate::registry::ToolEntry;
use crate::schema;
use crate::services::CallServices;

/// One call on its way.
pub(crate) struct Call<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) services: &'a Arc<CallServices>,
    pub(crate) tool: Arc<ToolEntry>,
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
pub(crate) async fn invoke(engine: &Engine, mut call: Call<'_>) -> Result<Outcome, CallError> {
    let number = engine.next_number();
    let mut recorder = Recorder::begin(engine, number, &call);
    let span = telemetry::CallSpan::open(&call, number);
    let steps = steps(engine, &mut call, number, &mut recorder);
    let result = span.around(steps).await;
    recorder.finish(&result);
    result
}

async fn steps(
    engine: &Engine,
    call: &mut Call<'_>,
    number: u64,
    recorder: &mut Recorder<'_>,
) -> Result<Outcome, CallError> {
    schema::check_text(&call.arguments, &engine.limits).map_err(CallError::malformed)?;
    let passed = pass_gate(engine, call, AskNumber(number))?;
    before(engine, call, number).await?;
    validate(engine, call)?;
    // An operator is asked about what would run: after the hooks, and never about what is invalid.
    let permit = match passed {
        Passed::With(permit) => permit,
        Passed::NeedsApproval => match engine.consent(call).await? {
            Consent::Pending(request) => return Ok(Outcome::NeedsApproval(request)),
            Consent::Answered(output) => return Ok(Outcome::Done(output)),
            Consent::Given(arguments) => pass_with_consent(engine, call, number, arguments)?,
        },
    };
    let _place = match run::enter(engine, call) {
        Ok(place) => place,
        Err(refused) => run::enter_later(engine, call, refused).await?,
    };
    recorder.intend(call).await?;
    // From here to the tool's first poll nothing waits: the look at the holdings is the last word.
    let paid = redeem(engine, call, permit, AskNumber(number))?;
    let output = run::run(engine, call, number, paid).await?;
    let output = run::check_output(engine, &call.tool, output)?;
    Ok(Outcome::Done(after(engine, call, number, output).await?))
}

/// Asks the gate for the tool's own plugin and for every plugin the call is made on behalf of.
fn pass_gate(engine: &Engine, call: &Call<'_>, number: AskNumber) -> Result<Passed, CallError> {
    let decide = |holdings: &Holdings| {
        let ask = Ask {
            number,
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
    match decide(&call.tool.holdings().load()) {
        Judgement::Permitted(permit) => Ok(Passed::With(permit)),
        Judgement::Denied(denial) => Err(CallError::Denied(denial)),
        Judgement::NeedsApproval => Ok(Passed::NeedsApproval),
    }
}

/// Asks the gate again, now that an operator has consented: everything else must hold as well.
fn pass_with_consent(
    engine: &Engine,
    call: &mut Call<'_>,
    number: u64,
    arguments: String,
) -> Result<Permit, CallError> {
    call.consented(arguments);
    schema::check_text(&call.arguments, &engine.limits).map_err(CallError::malformed)?;
    validate(engine, call)?;
    match pass_gate(engine, call, AskNumber(number))? {
        Passed::With(permit) => Ok(permit),
        Passed::NeedsApproval => Err(CallError::refused_by_operator(&call.tool, "still asked")),
    }
}

/// Spends the permit: the last look at the holdings before the plugin is reached. Gives the tags
/// of the grants of which it spent a use.
///
/// This load is the moment at which a call begins. A revocation stores the cell first, so no call
/// begins after it returned (attack C2).
fn redeem(
    engine: &Engine,
    call: &Call<'_>,
    permit: Permit,
    number: AskNumber,
) -> Result<Vec<String>, CallError> {
    let tool = &call.tool;
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
        engine
            .spend_use(tool.plugin(), tag, call.caller)
            .map_err(|d| CallError::Denied(Box::new(d)))?;
    }
    match tool.holdings().load().standing() {
        Standing::Running => Ok(permit.spends),
        Standing::Revoked => refuse(DenialReason::Revoked),
        Standing::Down | Standing::Stopped => refuse(DenialReason::NotRunning),
    }
}

/// Runs the hooks before; a transform may rewrite the arguments.
async fn before(engine: &Engine, call: &mut Call<'_>, number: u64) -> Result<(), CallError> {
    if !engine.is_hooked(HookPoint::PreToolCall) {
        return Ok(());
    }
    let payload = serde_json::from_str(&call.arguments).map_err(CallError::not_json)?;
    let point = (HookPoint::PreToolCall, Some(number));
    let payload = engine
        .fire(point, call.caller, call.tool.name(), payload)
        .await?;
    call.arguments = Cow::Owned(payload.to_string());
    Ok(())
}

/// Runs the hooks after; a transform may rewrite the result.
async fn after(
    engine: &Engine,
    call: &Call<'_>,
    number: u64,
    output: ToolOutput,
) -> Result<ToolOutput, CallError> {
    if !engine.is_hooked(HookPoint::PostToolCall) {
        return Ok(output);
    }
    let before = output.to_value();
    let point = (HookPoint::PostToolCall, Some(number));
    let payload = engine
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
