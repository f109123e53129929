//! The HTTP client: rmcp's own, but for lists of tools, which are looked at as plain JSON first.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcRequest};
use rmcp::transport::common::client_side_sse::BoxedSseResponse;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, InsufficientScopeError, StreamableHttpClient, StreamableHttpError,
    StreamableHttpPostResponse, StreamableHttpResponseLimits,
};
use serde_json::Value;
use sse_stream::{Sse, SseStream};

use super::shelf::Shelf;

type Failure = StreamableHttpError<reqwest::Error>;
type Headers = HashMap<HeaderName, HeaderValue>;

#[derive(Debug, Clone)]
pub(crate) struct Tapped {
    pub(crate) http: reqwest::Client,
    pub(crate) shelf: Arc<Shelf>,
}

/// One POST.
struct Post {
    uri: Arc<str>,
    message: ClientJsonRpcMessage,
    session: Option<Arc<str>>,
    token: Option<String>,
    headers: Headers,
}

impl Tapped {
    async fn list_tools(
        &self,
        post: Post,
        limit: usize,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let mut request = self.http.post(post.uri.as_ref());
        request = request.header(ACCEPT, "application/json, text/event-stream");
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        if let Some(token) = post.token {
            request = request.bearer_auth(token);
        }
        let has_session = post.session.is_some();
        if let Some(session) = post.session {
            request = request.header("mcp-session-id", session.as_ref());
        }
        let response = request.json(&post.message).send().await?;
        if !response.status().is_success() {
            return refused(response, has_session, limit).await;
        }
        let session = header(&response, "mcp-session-id");
        let kind = header(&response, CONTENT_TYPE.as_str()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return Ok(StreamableHttpPostResponse::Sse(
                self.events(response, limit),
                session,
            ));
        }
        let body = body(response, limit).await?;
        let mut value = match super::salvage::message(&body) {
            Some(value) => value,
            None => serde_json::from_slice(&body)?,
        };
        self.shelf.look_at(&mut value);
        Ok(StreamableHttpPostResponse::Json(
            serde_json::from_value(value)?,
            session,
        ))
    }

    fn events(&self, response: reqwest::Response, limit: usize) -> BoxedSseResponse {
        let mut left = limit;
        let bytes = response.bytes_stream().map_err(std::io::Error::other);
        let bytes = bytes.map(move |chunk| {
            let chunk = chunk?;
            left = left
                .checked_sub(chunk.len())
                .ok_or_else(|| std::io::Error::other("the list is too long"))?;
            Ok::<_, std::io::Error>(chunk)
        });
        let shelf = Arc::clone(&self.shelf);
        SseStream::from_bytes_stream(bytes)
            .map(move |event| event.map(|event| looked_at(&shelf, event)))
            .boxed()
    }
}

fn looked_at(shelf: &Shelf, mut event: Sse) -> Sse {
    let value = event
        .data
        .as_deref()
        .and_then(|data| super::salvage::message(data.as_bytes()));
    if let Some(mut value) = value {
        shelf.look_at(&mut value);
        event.data = Some(value.to_string());
    }
    event
}

fn header(response: &reqwest::Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

async fn body(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > limit {
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size: limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads a refusal the way rmcp's own client does.
async fn refused(
    response: reqwest::Response,
    has_session: bool,
    limit: usize,
) -> Result<StreamableHttpPostResponse, Failure> {
    let status = response.status();
    match (status, header(&response, WWW_AUTHENTICATE.as_str())) {
        (StatusCode::UNAUTHORIZED, Some(challenge)) => {
            return Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(
                challenge,
            )));
        }
        (StatusCode::FORBIDDEN, Some(challenge)) => {
            let error = InsufficientScopeError::new(challenge, None);
            return Err(StreamableHttpError::InsufficientScope(error));
        }
        (StatusCode::NOT_FOUND, _) if has_session => {
            return Err(StreamableHttpError::SessionExpired);
        }
        _ => {}
    }
    let session = header(&response, "mcp-session-id");
    let body = body(response, limit).await?;
    match serde_json::from_slice::<Value>(&body) {
        Ok(value) if value.get("error").is_some() => Ok(StreamableHttpPostResponse::Json(
            serde_json::from_value(value)?,
            session,
        )),
        _ => Err(StreamableHttpError::UnexpectedServerResponse(
            format!("HTTP {status}").into(),
        )),
    }
}

impl StreamableHttpClient for Tapped {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let limits = StreamableHttpResponseLimits::default();
        self.post_message_with_response_limits(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            limits,
        )
        .await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let is_list = matches!(
            &message,
            ClientJsonRpcMessage::Request(JsonRpcRequest {
                request: ClientRequest::ListToolsRequest(_),
                ..
            })
        );
        if is_list {
            let post = Post {
                uri,
                message,
                session: session_id,
                token: auth_header,
                headers: custom_headers,
            };
            return self.list_tools(post, limits.max_json_response_size).await;
        }
        self.http
            .post_message_with_response_limits(
                uri,
                message,
                session_id,
                auth_header,
                custom_headers,
                limits,
            )
            .await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<(), Failure> {
        self.http
            .delete_session(uri, session_id, auth_header, custom_headers)
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<BoxedSseResponse, Failure> {
        let stream = self
            .http
            .get_stream(uri, session_id, last_event_id, auth_header, custom_headers)
            .await?;
        Ok(self.tap(stream))
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
        max_sse_event_size: usize,
    ) -> Result<BoxedSseResponse, Failure> {
        let stream = self
            .http
            .get_stream_with_max_sse_event_size(
                uri,
                session_id,
                last_event_id,
                auth_header,
                custom_headers,
                max_sse_event_size,
            )
            .await?;
        Ok(self.tap(stream))
    }
}

impl Tapped {
    /// A list can come on a resumed stream too.
    fn tap(&self, stream: BoxedSseResponse) -> BoxedSseResponse {
        let shelf = Arc::clone(&self.shelf);
        stream
            .map(move |event| event.map(|event| looked_at(&shelf, event)))
            .boxed()
    }
}
