//! Answers an MCP client's requests out of a view.

#![expect(
    deprecated,
    reason = "2026-07-28 deprecates logging and subscriptions; older clients use them"
)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    CompletionInfo, DiscoverResult, ErrorData, GetPromptRequestParams, GetPromptResponse,
    Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
    LoggingMessageNotificationParam, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ResourceUpdatedNotificationParam,
    ServerCapabilities, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Endpoint;
use super::announce::News;
use super::convert::tool_of;
use super::offer::Refusal;
use super::seen::Seen;
use super::served::LogLine;

/// The versions that are spoken.
const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];
/// How long a list may be kept; whoever listens hears of changes at once.
const LIST_TTL_MS: u64 = 5_000;

/// One session, or one request of a client that has none.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) endpoint: Arc<Endpoint>,
    session: Arc<Session>,
}

/// What a client before 2026-07-28 set for its session.
#[derive(Default)]
struct Session {
    log_level: Mutex<Option<LoggingLevel>>,
    watched: Mutex<BTreeSet<String>>,
}

pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

pub(super) async fn log(peer: &Peer<RoleServer>, level: LoggingLevel, line: LogLine) {
    let mut params = LoggingMessageNotificationParam::new(level, line.data);
    params.logger = line.logger;
    let _gone = peer.notify_logging_message(params).await;
}

impl Handler {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self {
            endpoint,
            session: Arc::default(),
        }
    }

    /// Returns what the caller of a request sees.
    pub(super) fn seen_by<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> &'a Seen {
        super::http::bearer_of(context).unwrap_or(&self.endpoint.seen)
    }

    /// Returns the least level of log lines that the client wants.
    pub(super) fn log_level(&self, context: &RequestContext<RoleServer>) -> Option<LoggingLevel> {
        match is_modern(context) {
            true => context.meta.log_level(),
            // Before 2026-07-28 a client that sets no level gets what the server thinks right.
            false => {
                let set = self
                    .session
                    .log_level
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                Some(set.unwrap_or(LoggingLevel::Info))
            }
        }
    }

    fn capabilities(&self) -> ServerCapabilities {
        let mut offered = json!({"tools": {"listChanged": true}, "logging": {}});
        if self.endpoint.resources.is_some() {
            offered["resources"] = json!({"listChanged": true, "subscribe": true});
        }
        if self.endpoint.prompts.is_some() {
            offered["prompts"] = json!({"listChanged": true});
        }
        if self.endpoint.completions.is_some() {
            offered["completions"] = json!({});
        }
        serde_json::from_value(offered).unwrap_or_default()
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.session
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a client before 2026-07-28 of every change, as long as it is there.
    async fn tell(self, peer: Peer<RoleServer>) {
        let mut news = self.endpoint.announcer.listen();
        let mut changes = self.endpoint.host.changes();
        changes.mark_unchanged();
        loop {
            let news = tokio::select! {
                news = news.recv() => news.unwrap_or(News::Tools),
                changed = changes.changed() => match changed {
                    Ok(()) => News::Tools,
                    Err(_) => return,
                },
            };
            let told = match news {
                News::Prompts => peer.notify_prompt_list_changed().await,
                News::Resources => peer.notify_resource_list_changed().await,
                News::Tools => peer.notify_tool_list_changed().await,
                News::Resource(uri) if self.watched().contains(&uri) => {
                    peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri))
                        .await
                }
                News::Resource(_) => Ok(()),
            };
            if told.is_err() || peer.is_transport_closed() {
                return;
            }
        }
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|e| {
        ErrorData::internal_error(format!("what is served has not MCP's shape: {e}"), None)
    })
}

fn entries<T: DeserializeOwned>(values: Vec<Value>) -> Vec<T> {
    let read = values.into_iter().map(serde_json::from_value);
    read.filter_map(Result::ok).collect()
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let name = Implementation::new(self.endpoint.name.clone(), self.endpoint.version.clone());
        let mut info = ServerConfig::new(self.capabilities()).with_server_info(name);
        info.instructions.clone_from(&self.endpoint.instructions);
        info.protocol_version = ProtocolVersion::V_2025_11_25;
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&VERSIONS)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let info = DiscoverResult::from_server_info(VERSIONS.to_vec(), self.get_info());
        Ok(info
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        tokio::spawn(self.clone().tell(context.peer));
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let (named, is_modern) = (self.seen_by(&context).named(), is_modern(&context));
        let tools = named.tools();
        let described = tools.filter_map(|(wire, tool)| tool_of(tool, wire, is_modern));
        let list = ListToolsResult::with_all_items(described.collect());
        Ok(list
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        super::call::call(self, request, context).await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let view = &self.seen_by(&context).view;
        let list = match &self.endpoint.resources {
            Some(resources) => resources.list(view).await,
            None => Vec::new(),
        };
        let list = ListResourcesResult::with_all_items(entries(list));
        Ok(list
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let view = &self.seen_by(&context).view;
        let list = match &self.endpoint.resources {
            Some(resources) => resources.templates(view).await,
            None => Vec::new(),
        };
        let list = ListResourceTemplatesResult::with_all_items(entries(list));
        Ok(list
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        super::call::read(self, request, context).await
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let view = &self.seen_by(&context).view;
        let list = match &self.endpoint.prompts {
            Some(prompts) => prompts.list(view).await,
            None => Vec::new(),
        };
        let list = ListPromptsResult::with_all_items(entries(list));
        Ok(list
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        super::call::prompt(self, request, context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let Some(completions) = &self.endpoint.completions else {
            return Err(ErrorData::method_not_found::<
                rmcp::model::CompleteRequestMethod,
            >());
        };
        let reference = serde_json::to_value(&request.r#ref).unwrap_or_default();
        let argument = &request.argument;
        let mut values = completions
            .complete(
                &self.seen_by(&context).view,
                &reference,
                &argument.name,
                &argument.value,
            )
            .await;
        values.truncate(CompletionInfo::MAX_VALUES);
        typed(json!({"completion": {"values": values, "hasMore": false}, "resultType": "complete"}))
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if is_modern(&context) {
            return Err(ErrorData::method_not_found::<
                rmcp::model::SetLevelRequestMethod,
            >());
        }
        let mut level = self
            .session
            .log_level
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *level = Some(request.level);
        Ok(())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.endpoint.resources.is_none() {
            return Err(ErrorData::method_not_found::<
                rmcp::model::SubscribeRequestMethod,
            >());
        }
        self.watched().insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.watched().remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let sink = context.sink();
        let accepted = context.accepted().clone();
        let watched = accepted.resource_subscriptions.unwrap_or_default();
        let wants = |flag: Option<bool>| flag == Some(true);
        let mut news = self.endpoint.announcer.listen();
        let mut changes = self.endpoint.host.changes();
        changes.mark_unchanged();
        loop {
            let news = tokio::select! {
                () = context.cancelled() => return Ok(()),
                news = news.recv() => news.unwrap_or(News::Tools),
                changed = changes.changed() => match changed {
                    Ok(()) => News::Tools,
                    Err(_) => return Ok(()),
                },
            };
            let told = match news {
                News::Prompts if wants(accepted.prompts_list_changed) => {
                    sink.notify_prompt_list_changed().await
                }
                News::Resources if wants(accepted.resources_list_changed) => {
                    sink.notify_resource_list_changed().await
                }
                News::Tools if wants(accepted.tools_list_changed) => {
                    sink.notify_tool_list_changed().await
                }
                News::Resource(uri) if watched.contains(&uri) => {
                    sink.notify_resource_updated(uri).await
                }
                _ => Ok(()),
            };
            if told.is_err() {
                return Ok(());
            }
        }
    }
}

/// Writes a refusal as the protocol's error.
pub(super) fn refused(refusal: &Refusal, what: &str) -> ErrorData {
    match refusal {
        Refusal::Failed(why) => ErrorData::internal_error(why.clone(), None),
        Refusal::Unknown => {
            ErrorData::resource_not_found(format!("there is no {what}"), Some(json!({"uri": what})))
        }
        other => ErrorData::invalid_params(other.to_string(), None),
    }
}

/// Reads what an embedder serves.
pub(super) fn served<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    typed(value)
}
