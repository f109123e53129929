//! The call that is being served: what a tool, a prompt or an approver can ask its client.

#![expect(
    deprecated,
    reason = "2026-07-28 deprecates logging; older clients use it"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyway_host::approval::{ApprovalRequest, ApprovalSubject, Approver, Decision};
use keyway_plugin_api::{ToolError, ToolErrorKind};
use rmcp::RoleServer;
use rmcp::model::{ClientResult, InputRequest, LoggingLevel, ServerRequest};
use rmcp::service::{PeerRequestOptions, RequestContext};
use serde_json::{Value, json};

use super::state::Given;
use crate::client::{Answerable, Question, TraceContext};

tokio::task_local! {
    static SERVED: ServedCall;
}

/// The request of an MCP client that runs here, where one does.
///
/// A tool of the host, a prompt or an approver finds it with [`ServedCall::current`]. Before
/// 2026-07-28 a question goes to the client at once. From 2026-07-28 on it goes back as the result,
/// and the client sends the request again with the answers: the tool then runs again from its
/// beginning. So ask first and act afterwards.
#[derive(Clone)]
pub struct ServedCall(Arc<Inner>);

struct Inner {
    context: RequestContext<RoleServer>,
    is_modern: bool,
    answerable: Answerable,
    given: Given,
    wanted: Mutex<BTreeMap<String, Question>>,
    lacking: Mutex<Option<&'static str>>,
    log_level: Option<LoggingLevel>,
}

/// Says why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The question is on its way; end the call, it comes again with the answer.
    #[error("the client was asked; the call comes again with its answer")]
    Asked,
    /// The client failed to answer.
    #[error("the client did not answer: {0}")]
    Failed(String),
    /// The client answers no such questions.
    #[error("the client does not offer {0}")]
    NotOffered(&'static str),
}

impl From<AskError> for ToolError {
    fn from(error: AskError) -> Self {
        Self::new(ToolErrorKind::Unavailable, error.to_string())
    }
}

/// One line of a log, for the client that asked for it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogLine {
    /// How bad it is: `debug`, `info`, `notice`, `warning`, `error`, `critical`, `alert` or
    /// `emergency`.
    pub level: String,
    /// Who says it.
    pub logger: Option<String>,
    /// What is said.
    pub data: Value,
}

impl LogLine {
    /// Makes a line.
    #[must_use]
    pub fn new(level: impl Into<String>, data: impl Into<Value>) -> Self {
        Self {
            level: level.into(),
            logger: None,
            data: data.into(),
        }
    }
}

impl ServedCall {
    pub(super) fn new(
        context: RequestContext<RoleServer>,
        given: Given,
        log_level: Option<LoggingLevel>,
    ) -> Self {
        let is_modern = super::handler::is_modern(&context);
        Self(Arc::new(Inner {
            answerable: answerable(&context),
            is_modern,
            context,
            given,
            wanted: Mutex::default(),
            lacking: Mutex::default(),
            log_level,
        }))
    }

    /// Returns the request that runs here.
    #[must_use]
    pub fn current() -> Option<Self> {
        SERVED.try_with(Clone::clone).ok()
    }

    pub(super) async fn scope<F: Future>(self, future: F) -> F::Output {
        SERVED.scope(self, future).await
    }

    /// Returns which questions the client answers.
    #[must_use]
    pub fn answerable(&self) -> Answerable {
        self.0.answerable
    }

    /// Asks the client. The key names the question within this call.
    ///
    /// # Errors
    /// [`AskError`]; [`AskError::Asked`] is no failure: end the call.
    pub async fn ask(&self, key: &str, question: Question) -> Result<Value, AskError> {
        let offers = self.0.answerable;
        let (is_offered, capability) = match question {
            Question::Elicit(_) => (offers.elicitation, "elicitation"),
            Question::ListRoots => (offers.roots, "roots"),
            Question::Sample(_) => (offers.sampling, "sampling"),
        };
        if !is_offered {
            *self
                .0
                .lacking
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(capability);
            return Err(AskError::NotOffered(capability));
        }
        if !self.0.is_modern {
            return self.ask_now(question).await;
        }
        // What is no object is no answer; it is asked again.
        if let Some(answer) = self.0.given.get(key).filter(|answer| answer.is_object()) {
            return Ok(answer.clone());
        }
        let mut wanted = self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.insert(key.to_owned(), question);
        Err(AskError::Asked)
    }

    async fn ask_now(&self, question: Question) -> Result<Value, AskError> {
        let failed = |why: String| AskError::Failed(why);
        let request =
            request_of(&question).ok_or_else(|| failed("the question is malformed".to_owned()))?;
        let mut options = PeerRequestOptions::no_options();
        options.meta = TraceContext::current().map(|trace| trace.to_meta());
        let peer = &self.0.context.peer;
        let asked = peer.send_request_with_option(request, options).await;
        let asked = asked.map_err(|e| failed(e.to_string()))?;
        let answer = asked.await_response().await;
        let answer = answer.map_err(|e| failed(e.to_string()))?;
        let value = match answer {
            ClientResult::EmptyResult(_) => return Err(failed("the answer is empty".to_owned())),
            answer => serde_json::to_value(answer),
        };
        value.map_err(|e| failed(e.to_string()))
    }

    /// Asks a person to fill in a form: gives the content, or `None` for a no.
    ///
    /// # Errors
    /// As [`ServedCall::ask`].
    pub async fn elicit(
        &self,
        key: &str,
        message: &str,
        schema: Value,
    ) -> Result<Option<Value>, AskError> {
        let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
        let answer = self.ask(key, Question::Elicit(params)).await?;
        let is_accepted = answer.get("action").and_then(Value::as_str) == Some("accept");
        Ok(is_accepted.then(|| answer.get("content").cloned().unwrap_or_default()))
    }

    /// Sends a line of a log, where the client asked for lines of this level.
    pub async fn log(&self, line: LogLine) {
        let level: Option<LoggingLevel> = serde_json::from_value(json!(line.level)).ok();
        let (Some(level), Some(least)) = (level, self.0.log_level) else {
            return;
        };
        if (level as u8) < (least as u8) {
            return;
        }
        super::handler::log(&self.0.context.peer, level, line).await;
    }

    /// Returns what the client has to answer before the call comes again.
    pub(super) fn wanted(&self) -> BTreeMap<String, InputRequest> {
        let wanted = self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let request =
            |(key, question): (&String, &Question)| Some((key.clone(), input_of(question)?));
        wanted.iter().filter_map(request).collect()
    }

    /// Returns the answers of all rounds so far.
    pub(super) fn given(&self) -> &Given {
        &self.0.given
    }

    /// Returns the capability that the client lacked for a question.
    pub(super) fn lacking(&self) -> Option<&'static str> {
        *self
            .0
            .lacking
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_modern(&self) -> bool {
        self.0.is_modern
    }
}

fn message_of(question: &Question) -> Value {
    match question {
        Question::Elicit(params) | Question::Sample(params) => {
            json!({"method": question.method(), "params": params})
        }
        Question::ListRoots => json!({"method": question.method(), "params": {}}),
    }
}

fn request_of(question: &Question) -> Option<ServerRequest> {
    serde_json::from_value(message_of(question)).ok()
}

fn input_of(question: &Question) -> Option<InputRequest> {
    serde_json::from_value(message_of(question)).ok()
}

fn answerable(context: &RequestContext<RoleServer>) -> Answerable {
    let offered = context.client_capabilities();
    let offered = offered
        .and_then(|c| serde_json::to_value(c).ok())
        .unwrap_or_default();
    let has = |name: &str| offered.get(name).is_some_and(Value::is_object);
    Answerable {
        elicitation: has("elicitation"),
        roots: has("roots"),
        sampling: has("sampling"),
    }
}

impl fmt::Debug for ServedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedCall")
            .field("answerable", &self.0.answerable)
            .finish_non_exhaustive()
    }
}

/// Lets the person at the client decide on calls that the policy wants looked at.
///
/// Give it to [`HostBuilder::approver`](keyway_host::HostBuilder::approver) only where that person is
/// the operator, as in an agent of one's own: whoever sits at the client then consents to what agents
/// do through it. Plugins are decided on by the approver behind it, calls from elsewhere too.
#[derive(Debug, Clone)]
pub struct AskingApprover<A> {
    otherwise: A,
}

impl<A: Approver> AskingApprover<A> {
    /// Puts the person at the client before another approver.
    pub fn before(otherwise: A) -> Self {
        Self { otherwise }
    }
}

#[async_trait]
impl<A: Approver> Approver for AskingApprover<A> {
    async fn review(&self, request: &ApprovalRequest) -> Decision {
        let ApprovalSubject::Call {
            tool,
            effect,
            arguments,
            ..
        } = &request.subject
        else {
            return self.otherwise.review(request).await;
        };
        let Some(served) = ServedCall::current().filter(|served| served.answerable().elicitation)
        else {
            return self.otherwise.review(request).await;
        };
        let what = keyway_host::text::excerpt(&arguments.to_string()).into_owned();
        let effect = serde_json::to_value(effect).unwrap_or_default();
        let message = format!(
            "May the agent call `{tool}` ({}) with {what}?",
            effect.as_str().unwrap_or_default()
        );
        let schema = json!({
            "type": "object",
            "properties": {"allow": {"type": "boolean", "title": "Allow this call once", "default": false}},
            "required": ["allow"],
        });
        match served.elicit("keyway.approval", &message, schema).await {
            Ok(Some(content)) if content.get("allow") == Some(&Value::Bool(true)) => {
                Decision::Approve {
                    optional: Vec::new(),
                }
            }
            Ok(_) => Decision::Deny {
                reason: "the person at the client said no".to_owned(),
            },
            Err(_) => Decision::Later,
        }
    }
}
