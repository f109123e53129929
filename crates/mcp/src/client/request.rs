//! One request to a server: bounded in time, cancelled when it is given up, traced.

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, CancelledNotificationParam,
    ClientRequest, InputRequiredResult, InputResponses, RequestId, ServerResult,
};
use rmcp::service::{Peer, PeerRequestOptions, ServiceError};
use serde_json::{Map, Value};

use super::session::Session;
use super::{CallOptions, CallReply, McpClient};
use crate::McpError;
use crate::span::{RequestSpan, Subject, Told};

/// Times that one request may be answered with questions.
const ROUNDS: usize = 10;
/// Times that a request is sent again after somebody signed in anew.
const AUTHORIZATIONS: usize = 3;

impl McpClient {
    /// Calls a tool by the server's own name for it. Nothing asks the gate here: agents call
    /// through a view.
    ///
    /// # Errors
    /// Any [`McpError`]. A tool that fails is no error: [`CallReply::is_error`] says so.
    ///
    /// # Cancel safety
    /// Dropping the future tells the server that nobody waits.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Value,
        options: CallOptions,
    ) -> Result<CallReply, McpError> {
        let arguments = match arguments {
            Value::Object(fields) => Some(fields),
            Value::Null => None,
            _ => return Err(self.protocol_error("arguments are an object")),
        };
        let result = self
            .in_rounds("tools/call", &options, |answers| {
                tool_call(tool, arguments.clone(), answers)
            })
            .await?;
        match result {
            ServerResult::CallToolResult(result) => Ok(reply_of(result)),
            other => {
                let value = serde_json::to_value(other).unwrap_or_default();
                serde_json::from_value(value).map_err(|e| self.protocol_error(e.to_string()))
            }
        }
    }

    /// Sends a request again with answers as long as the server asks questions.
    pub(super) async fn in_rounds(
        &self,
        method: &'static str,
        options: &CallOptions,
        request: impl Fn(Given) -> ClientRequest + Sync,
    ) -> Result<ServerResult, McpError> {
        let mut given = Given::default();
        for _ in 0..ROUNDS {
            match self
                .ask(method, &|| request(given.clone()), options)
                .await?
            {
                ServerResult::InputRequiredResult(wanted) => given = self.answer(wanted).await?,
                result => return Ok(result),
            }
        }
        Err(self.protocol_error(format!(
            "it asked questions {ROUNDS} times over one request"
        )))
    }

    async fn answer(&self, wanted: InputRequiredResult) -> Result<Given, McpError> {
        let questions = wanted.input_requests.unwrap_or_default();
        if questions.is_empty() && wanted.request_state.is_none() {
            return Err(self.protocol_error("it wants an answer and asks nothing"));
        }
        let handler = self.0.session.read().await.handler.clone();
        let mut answers = InputResponses::new();
        for (key, question) in questions {
            let answer = handler.fulfil(&question).await;
            answers.insert(key, answer.map_err(|why| self.protocol_error(why))?);
        }
        Ok(Given {
            answers: (!answers.is_empty()).then_some(answers),
            state: wanted.request_state,
        })
    }

    /// Sends one request; signs in again where the server wants that.
    pub(super) async fn ask(
        &self,
        method: &'static str,
        request: &(dyn Fn() -> ClientRequest + Sync),
        options: &CallOptions,
    ) -> Result<ServerResult, McpError> {
        let mut tries = 0;
        loop {
            let session = self.0.session.read().await.clone();
            let error = match send(&session, request(), options).await {
                Ok((_, result)) => return Ok(result),
                Err(error) => error,
            };
            tries += 1;
            match error.auth_challenge() {
                Some(challenge) if tries < AUTHORIZATIONS => {
                    self.authorize_again(challenge).await?
                }
                _ => return Err(self.explain(&session, method, options, error).await),
            }
        }
    }

    /// Says in our words why a request failed.
    pub(super) async fn explain(
        &self,
        session: &Session,
        method: &str,
        options: &CallOptions,
        error: ServiceError,
    ) -> McpError {
        let server = self.id().to_string();
        let method = method.to_owned();
        match error {
            ServiceError::McpError(refusal) => McpError::Refused {
                server,
                method,
                number: i64::from(refusal.code.0),
                message: keyway_host::text::excerpt(&refusal.message).into_owned(),
            },
            ServiceError::Timeout { .. } => McpError::TimedOut {
                server,
                method,
                limit_ms: u64::try_from(options.limit.as_millis()).unwrap_or(u64::MAX),
            },
            ServiceError::TransportClosed => McpError::Gone {
                server,
                reason: session.end_soon().await,
            },
            error if error.is_authorization_required() => McpError::Authorization {
                server,
                reason: error.to_string(),
            },
            ServiceError::TransportSend(error) => match session.end() {
                Some(reason) => McpError::Gone { server, reason },
                None => McpError::Unreachable {
                    server,
                    reason: deep(&error),
                },
            },
            error => McpError::Protocol {
                server,
                what: error.to_string(),
            },
        }
    }
}

/// What a client gives along when it sends a request again.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub(super) answers: Option<InputResponses>,
    pub(super) state: Option<String>,
}

fn tool_call(tool: &str, arguments: Option<Map<String, Value>>, given: Given) -> ClientRequest {
    let mut params = CallToolRequestParams::new(tool.to_owned());
    params.arguments = arguments;
    params.input_responses = given.answers;
    params.request_state = given.state;
    ClientRequest::CallToolRequest(CallToolRequest::new(params))
}

fn reply_of(result: CallToolResult) -> CallReply {
    let part = |part| serde_json::to_value(part).unwrap_or_default();
    CallReply {
        content: result.content.into_iter().map(part).collect(),
        structured_content: result.structured_content,
        is_error: result.is_error.unwrap_or_default(),
    }
}

/// Sends a request and waits for its result, inside a span of its own.
pub(super) async fn send(
    session: &Session,
    request: ClientRequest,
    options: &CallOptions,
) -> Result<(RequestId, ServerResult), ServiceError> {
    let subject = Subject::of(&request);
    let span = RequestSpan::sent(subject, &session.wire, Some(&session.protocol));
    let sent = span
        .around(exchange(session, request, options, &span))
        .await;
    match &sent {
        Ok((_, ServerResult::CallToolResult(call))) => span.answered(Told::of_call(call)),
        Ok(_) => span.answered(Told::Nothing),
        Err(ServiceError::McpError(refusal)) => span.refused(refusal.code.0, true),
        Err(error) => span.failed(kind_of(error)),
    }
    sent
}

/// Returns the code that [`McpClient::explain`] gives a failure.
fn kind_of(error: &ServiceError) -> &'static str {
    match error {
        ServiceError::Timeout { .. } => "MCP_TIMED_OUT",
        ServiceError::TransportClosed => "MCP_GONE",
        error if error.is_authorization_required() => "MCP_AUTHORIZATION",
        ServiceError::TransportSend(_) => "MCP_UNREACHABLE",
        _ => "MCP_PROTOCOL",
    }
}

async fn exchange(
    session: &Session,
    request: ClientRequest,
    options: &CallOptions,
    span: &RequestSpan,
) -> Result<(RequestId, ServerResult), ServiceError> {
    let mut limits = PeerRequestOptions::with_timeout(options.silence)
        .reset_timeout_on_progress()
        .with_max_total_timeout(options.limit);
    if let Some(trace) = span.outgoing(session.wire.link.as_deref()) {
        limits = limits.with_meta(trace.to_meta());
    }
    let handle = session
        .peer
        .send_cancellable_request(request, limits)
        .await?;
    let id = handle.id.clone();
    span.has_number(&id);
    let _listening = options.progress.clone().map(|reports| {
        let table = &session.handler.progress;
        table.listen(&handle.progress_token, reports)
    });
    let mut guard = CancelOnDrop(Some((session.peer.clone(), id.clone())));
    let result = handle.await_response().await;
    guard.0 = None;
    Ok((id, result?))
}

/// Tells the server that nobody waits for a request any more.
struct CancelOnDrop(Option<(Peer<RoleClient>, RequestId)>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let (Some((peer, id)), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            let why = Some("nobody waits for it".to_owned());
            let _gone = peer
                .notify_cancelled(CancelledNotificationParam::new(Some(id), why))
                .await;
        });
    }
}

/// Writes an error with what caused it.
pub(super) fn deep(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    keyway_host::text::printable(&text).into_owned()
}
