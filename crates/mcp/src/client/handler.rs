//! The client's side of a connection: what a server sends without being asked.

#![expect(
    deprecated,
    reason = "2026-07-28 deprecates sampling, roots and logging; servers use them"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_plugin_api::PluginId;
use rmcp::model::{
    ClientCapabilities, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams,
    ElicitResult, ErrorData, Implementation, InitializeRequestParams, InputRequest,
    ListRootsResult, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, RoleClient};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::Progress;
use super::answers::{Answers, Question};
use super::trace::TraceContext;

pub(crate) struct Handler {
    pub(crate) server: PluginId,
    pub(crate) answers: Arc<dyn Answers>,
    pub(crate) changes: watch::Sender<Changes>,
    pub(crate) progress: ProgressTable,
    pub(crate) client_name: String,
    pub(crate) client_version: String,
    /// The trace in which the session is opened.
    pub(crate) trace: Option<TraceContext>,
}

/// How often each list of a server has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// The tools.
    pub tools: u64,
    /// The resources.
    pub resources: u64,
    /// The prompts.
    pub prompts: u64,
}

/// Who waits for the progress of which request.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgressTable(Arc<Mutex<HashMap<String, mpsc::Sender<Progress>>>>);

impl ProgressTable {
    pub(crate) fn listen(
        &self,
        token: &ProgressToken,
        reports: mpsc::Sender<Progress>,
    ) -> Listening {
        let key = key_of(token);
        self.lock().insert(key.clone(), reports);
        let table = self.clone();
        Listening { table, key }
    }

    fn report(&self, token: &ProgressToken, progress: Progress) {
        if let Some(sender) = self.lock().get(&key_of(token)) {
            // Nobody is obliged to listen fast.
            let _dropped = sender.try_send(progress);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Sender<Progress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_of(token: &ProgressToken) -> String {
    serde_json::to_string(token).unwrap_or_default()
}

/// Ends the listening when dropped.
pub(crate) struct Listening {
    table: ProgressTable,
    key: String,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.table.lock().remove(&self.key);
    }
}

impl Handler {
    /// Answers a question that came inside a result (2026-07-28).
    pub(crate) async fn fulfil(&self, request: &InputRequest) -> Result<Value, String> {
        let params = serde_json::to_value(request).unwrap_or_default();
        let params = params.get("params").cloned().unwrap_or_default();
        let question = match request {
            InputRequest::CreateMessage(_) => Question::Sample(params),
            InputRequest::Elicitation(_) => Question::Elicit(params),
            InputRequest::ListRoots(_) => Question::ListRoots,
            _ => return Err("a question of a kind that nobody here knows".to_owned()),
        };
        self.ask(question).await
    }

    async fn ask(&self, question: Question) -> Result<Value, String> {
        let answerable = self.answers.answerable();
        let is_answered = match question {
            Question::Elicit(_) => answerable.elicitation,
            Question::ListRoots => answerable.roots,
            Question::Sample(_) => answerable.sampling,
        };
        if !is_answered {
            return Err(format!("this client did not offer {}", question.method()));
        }
        self.answers.answer(&self.server, question).await
    }

    async fn typed<T: DeserializeOwned>(
        &self,
        question: Question,
        context: &RequestContext<RoleClient>,
    ) -> Result<T, ErrorData> {
        let asking = self.ask(question);
        let answer = match TraceContext::of_meta(&context.meta) {
            Some(trace) => trace.scope(asking).await,
            None => asking.await,
        };
        let answer = answer.map_err(|why| ErrorData::invalid_request(why, None))?;
        serde_json::from_value(answer)
            .map_err(|e| ErrorData::internal_error(format!("the answer is unfit: {e}"), None))
    }

    pub(crate) fn changed(&self, change: fn(&mut Changes)) {
        self.changes.send_modify(change);
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> InitializeRequestParams {
        let answerable = self.answers.answerable();
        let mut offered = serde_json::Map::new();
        let mut offer = |is_offered: bool, name: &str| {
            if is_offered {
                offered.insert(name.to_owned(), Value::Object(serde_json::Map::new()));
            }
        };
        offer(answerable.elicitation, "elicitation");
        offer(answerable.roots, "roots");
        offer(answerable.sampling, "sampling");
        let capabilities: ClientCapabilities =
            serde_json::from_value(Value::Object(offered)).unwrap_or_default();
        let name = Implementation::new(self.client_name.clone(), self.client_version.clone());
        let mut info = InitializeRequestParams::new(capabilities, name);
        info.meta = self.trace.as_ref().map(TraceContext::to_meta);
        info
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let params = serde_json::to_value(params).unwrap_or_default();
        self.typed(Question::Sample(params), &context).await
    }

    async fn list_roots(
        &self,
        context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        self.typed(Question::ListRoots, &context).await
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let params = serde_json::to_value(params).unwrap_or_default();
        self.typed(Question::Elicit(params), &context).await
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let progress = Progress {
            done: params.progress,
            total: params.total,
            message: params.message,
        };
        self.progress.report(&params.progress_token, progress);
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let text = params.data.to_string();
        let text = keyway_host::text::excerpt(&text);
        tracing::debug!(server = %self.server, level = ?params.level, "the server says: {text}");
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed(|changes| changes.tools += 1);
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed(|changes| changes.resources += 1);
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed(|changes| changes.prompts += 1);
    }
}
