//! The three requests that can come in rounds: a tool, a resource, a prompt.

use std::pin::pin;

use keyway_host::digest::Digest;
use keyway_host::view::{CallOptions, ListedTool};
use keyway_host::{CallError, Outcome};
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ErrorData, GetPromptRequestParams,
    GetPromptResponse, InputRequiredResult, InputResponses, ProgressNotificationParam,
    ReadResourceRequestParams, ReadResourceResponse,
};
use rmcp::service::RequestContext;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::Endpoint;
use super::convert::{failure_of, result_of, waiting};
use super::handler::{Handler, refused, served};
use super::offer::Refusal;
use super::seen::Seen;
use super::served::ServedCall;
use super::state::Given;

/// Reports of progress that may wait for a slow client.
const PROGRESS_WAITING: usize = 64;

/// One round of a request: what it is bound to, and the call that runs.
struct Round {
    bound: Digest,
    call: ServedCall,
}

impl Round {
    fn begin(
        handler: &Handler,
        context: &RequestContext<RoleServer>,
        request: &Value,
        came: (Option<InputResponses>, Option<String>),
    ) -> Result<Self, ErrorData> {
        let endpoint = &handler.endpoint;
        let caller = handler.seen_by(context).view.caller().shown();
        let bound = Digest::of_json(&json!({"caller": &**caller, "request": request}));
        let mut given = match came.1 {
            Some(state) => endpoint
                .states
                .open(&bound, &state)
                .map_err(|why| ErrorData::invalid_params(why, None))?,
            None => Given::new(),
        };
        given.extend(came.0.unwrap_or_default());
        let call = ServedCall::new(context.clone(), given, handler.log_level(context));
        Ok(Self { bound, call })
    }

    /// Returns what the client has to answer first, where the call asked something.
    fn questions(&self, endpoint: &Endpoint) -> Result<Option<InputRequiredResult>, ErrorData> {
        if !self.call.is_modern() {
            return Ok(None);
        }
        let wanted = self.call.wanted();
        if !wanted.is_empty() {
            let state = endpoint.states.seal(&self.bound, self.call.given());
            return Ok(Some(InputRequiredResult::new(Some(wanted), state)));
        }
        match self.call.lacking() {
            None => Ok(None),
            Some(capability) => {
                let needed = json!({capability: {}});
                let needed: ClientCapabilities = serde_json::from_value(needed).unwrap_or_default();
                Err(ErrorData::missing_required_client_capability(needed))
            }
        }
    }
}

pub(super) async fn call(
    handler: &Handler,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let seen = handler.seen_by(&context);
    let named = seen.named();
    let unknown =
        || ErrorData::invalid_params(format!("there is no tool `{}`", shown(&request.name)), None);
    let tool = named.tool(&request.name).ok_or_else(unknown)?;
    let arguments = Value::Object(request.arguments.clone().unwrap_or_default());
    let asked = json!({"method": "tools/call", "tool": tool.id, "arguments": arguments});
    let came = (request.input_responses, request.request_state);
    let round = Round::begin(handler, &context, &asked, came)?;
    let running = run(seen, tool, arguments, &context);
    let outcome = round.call.clone().scope(running).await;
    answer(&handler.endpoint, tool, &round, outcome)
}

fn answer(
    endpoint: &Endpoint,
    tool: &ListedTool,
    round: &Round,
    outcome: Result<Outcome, CallError>,
) -> Result<CallToolResponse, ErrorData> {
    let is_done = matches!(outcome, Ok(Outcome::Done(_)));
    if !is_done && let Some(questions) = round.questions(endpoint)? {
        return Ok(questions.into());
    }
    let result = match outcome {
        Ok(Outcome::Done(output)) => result_of(tool.descriptor(), &output, round.call.is_modern()),
        Ok(pending) => waiting(&pending),
        Err(CallError::UnknownTool { name, .. }) => {
            return Err(ErrorData::invalid_params(
                format!("there is no tool `{name}`"),
                None,
            ));
        }
        Err(error) => failure_of(&error),
    };
    Ok(result.into())
}

/// Calls through the view; passes progress on while the call runs, and none after it.
async fn run(
    seen: &Seen,
    tool: &ListedTool,
    arguments: Value,
    context: &RequestContext<RoleServer>,
) -> Result<Outcome, CallError> {
    let (report, mut reports) = mpsc::channel(PROGRESS_WAITING);
    let options = CallOptions::new().watched(move |progress| {
        // A client that is too slow misses some.
        let _slow = report.try_send(progress);
    });
    let token = context.meta.get_progress_token();
    let tell = async |progress: keyway_host::progress::Progress| {
        let Some(token) = &token else {
            return;
        };
        let mut params = ProgressNotificationParam::new(token.clone(), rough(progress.done));
        params.total = progress.total.map(rough);
        params.message = progress.message;
        let _gone = context.peer.notify_progress(params).await;
    };
    let mut call = pin!(seen.view.call_with(options, &tool.id, arguments));
    let outcome = loop {
        tokio::select! {
            biased;
            Some(progress) = reports.recv() => tell(progress).await,
            outcome = &mut call => break outcome,
        }
    };
    while let Ok(progress) = reports.try_recv() {
        tell(progress).await;
    }
    outcome
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond 2^53 nobody counts to the last"
)]
fn rough(count: u64) -> f64 {
    count as f64
}

fn shown(name: &str) -> String {
    keyway_host::text::excerpt(name).into_owned()
}

pub(super) async fn read(
    handler: &Handler,
    request: ReadResourceRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<ReadResourceResponse, ErrorData> {
    let endpoint = &handler.endpoint;
    let uri = request.uri;
    let Some(resources) = &endpoint.resources else {
        return Err(refused(&Refusal::Unknown, &uri));
    };
    let asked = json!({"method": "resources/read", "uri": uri});
    let came = (request.input_responses, request.request_state);
    let round = Round::begin(handler, &context, &asked, came)?;
    let reading = resources.read(&handler.seen_by(&context).view, &uri);
    match round.call.clone().scope(reading).await {
        Ok(contents) => {
            let result = json!({"contents": contents, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"});
            let result: rmcp::model::ReadResourceResult = served(result)?;
            Ok(result.into())
        }
        Err(refusal) => match round.questions(endpoint)? {
            Some(questions) => Ok(questions.into()),
            None => Err(refused(&refusal, &uri)),
        },
    }
}

pub(super) async fn prompt(
    handler: &Handler,
    request: GetPromptRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<GetPromptResponse, ErrorData> {
    let endpoint = &handler.endpoint;
    let name = request.name;
    let unknown =
        || ErrorData::invalid_params(format!("there is no prompt `{}`", shown(&name)), None);
    let prompts = endpoint.prompts.as_ref().ok_or_else(unknown)?;
    let arguments: Map<String, Value> = request.arguments.unwrap_or_default();
    let asked = json!({"method": "prompts/get", "name": name, "arguments": arguments});
    let came = (request.input_responses, request.request_state);
    let round = Round::begin(handler, &context, &asked, came)?;
    let getting = prompts.get(&handler.seen_by(&context).view, &name, &arguments);
    match round.call.clone().scope(getting).await {
        Ok(mut prompt) => {
            prompt["resultType"] = json!("complete");
            let result: rmcp::model::GetPromptResult = served(prompt)?;
            Ok(result.into())
        }
        Err(refusal) => match (round.questions(endpoint)?, refusal) {
            (Some(questions), _) => Ok(questions.into()),
            (None, Refusal::Unknown) => Err(unknown()),
            (None, refusal) => Err(refused(&refusal, &name)),
        },
    }
}
