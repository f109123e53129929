//! The span of every request that is served, and the trace that came along with it.

#![expect(
    deprecated,
    reason = "2026-07-28 deprecates logging and subscriptions; older clients use them"
)]

use std::borrow::Cow;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, DiscoverResult,
    ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use super::handler::Handler;
use crate::client::TraceContext;
use crate::span::{Origin, RequestSpan, Subject, Told};

/// The header that names a session before 2026-07-28.
const SESSION: &str = "mcp-session-id";

/// A handler whose requests are spans, but for subscriptions, which last as long as their client.
#[derive(Clone)]
pub(super) struct Traced(pub(super) Handler);

/// The span of one request, and the trace that came along with it.
struct Request {
    span: RequestSpan,
    trace: Option<TraceContext>,
}

type Context = RequestContext<RoleServer>;
type Answered<T> = Result<T, ErrorData>;

impl Traced {
    fn open(&self, subject: Subject<'_>, context: &Context) -> Request {
        let http = context.extensions.get::<http::request::Parts>();
        let version = context.protocol_version();
        let session = http.and_then(|parts| parts.headers.get(SESSION)?.to_str().ok());
        let origin = Origin {
            caller: self.0.seen_by(context).view.caller().shown(),
            is_http: http.is_some(),
            session,
            version: version.as_ref().map(ProtocolVersion::as_str),
        };
        let span = RequestSpan::received(subject, &origin);
        let trace = TraceContext::of_meta(&context.meta);
        if let Some(trace) = &trace {
            span.continues(self.0.endpoint.link.as_deref(), trace);
        }
        span.has_number(&context.id);
        Request { span, trace }
    }
}

impl Request {
    async fn run<T>(
        self,
        answering: impl Future<Output = Answered<T>>,
        tells: impl FnOnce(&T) -> Told<'_>,
    ) -> Answered<T> {
        let answering = self.span.around(answering);
        let answered = match self.trace {
            Some(trace) => trace.scope(answering).await,
            None => answering.await,
        };
        match &answered {
            Ok(answer) => self.span.answered(tells(answer)),
            Err(error) => self.span.refused(error.code.0, is_ours(error.code)),
        }
        answered
    }
}

/// Tells whether an error is this side's failure; the others are the client's mistakes.
fn is_ours(code: ErrorCode) -> bool {
    code == ErrorCode::INTERNAL_ERROR || (-32099..=-32000).contains(&code.0)
}

fn nothing<T>(_: &T) -> Told<'_> {
    Told::Nothing
}

fn of_call(answer: &CallToolResponse) -> Told<'_> {
    match answer {
        CallToolResponse::Complete(result) => Told::of_call(result),
        _ => Told::Nothing,
    }
}

fn of_opening(answer: &InitializeResult) -> Told<'_> {
    Told::Version(answer.protocol_version.as_str())
}

macro_rules! in_spans {
    ($(fn $method:ident($params:ty) -> $answer:ty, $subject:expr, $tells:expr;)*) => {$(
        async fn $method(&self, params: $params, context: Context) -> Answered<$answer> {
            let request = self.open($subject(&params), &context);
            request.run(self.0.$method(params, context), $tells).await
        }
    )*};
}

type Page = Option<PaginatedRequestParams>;

fn of_page(method: &'static str) -> impl Fn(&Page) -> Subject<'static> {
    move |_| Subject::method(method)
}

#[expect(
    deprecated,
    reason = "2026-07-28 deprecates logging and subscriptions; older clients use them"
)]
impl ServerHandler for Traced {
    in_spans! {
        fn initialize(InitializeRequestParams) -> InitializeResult,
            |_: &_| Subject::method("initialize"), of_opening;
        fn list_tools(Page) -> ListToolsResult, of_page("tools/list"), nothing;
        fn list_resources(Page) -> ListResourcesResult, of_page("resources/list"), nothing;
        fn list_resource_templates(Page) -> ListResourceTemplatesResult,
            of_page("resources/templates/list"), nothing;
        fn list_prompts(Page) -> ListPromptsResult, of_page("prompts/list"), nothing;
        fn read_resource(ReadResourceRequestParams) -> ReadResourceResponse,
            of_reading, nothing;
        fn get_prompt(GetPromptRequestParams) -> GetPromptResponse, of_prompt, nothing;
        fn complete(CompleteRequestParams) -> CompleteResult,
            |_: &_| Subject::method("completion/complete"), nothing;
        fn set_level(SetLevelRequestParams) -> (),
            |_: &_| Subject::method("logging/setLevel"), nothing;
        fn subscribe(SubscribeRequestParams) -> (), of_subscribing, nothing;
        fn unsubscribe(UnsubscribeRequestParams) -> (), of_unsubscribing, nothing;
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: Context,
    ) -> Answered<CallToolResponse> {
        let named = self.0.seen_by(&context).named();
        let known = named.tool(&params.name).map(|_| &*params.name);
        let request = self.open(Subject::call(known), &context);
        let answering = self.0.call_tool(params, context);
        request.run(answering, of_call).await
    }

    async fn discover(&self, context: Context) -> Answered<DiscoverResult> {
        let request = self.open(Subject::method("server/discover"), &context);
        request.run(self.0.discover(context), nothing).await
    }

    async fn ping(&self, context: Context) -> Answered<()> {
        let request = self.open(Subject::method("ping"), &context);
        request.run(self.0.ping(context), nothing).await
    }

    fn get_info(&self) -> ServerConfig {
        self.0.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.0.supported_protocol_versions()
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.0.on_initialized(context).await;
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.0.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Answered<()> {
        self.0.listen(context).await
    }
}

fn of_reading(params: &ReadResourceRequestParams) -> Subject<'_> {
    Subject::resource_at("resources/read", &params.uri)
}

fn of_prompt(params: &GetPromptRequestParams) -> Subject<'_> {
    Subject::prompt_named(&params.name)
}

fn of_subscribing(params: &SubscribeRequestParams) -> Subject<'_> {
    Subject::resource_at("resources/subscribe", &params.uri)
}

fn of_unsubscribing(params: &UnsubscribeRequestParams) -> Subject<'_> {
    Subject::resource_at("resources/unsubscribe", &params.uri)
}
