//! A web server for tests: one function answers every request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// A request, as far as a test looks at it.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

type Answer = Arc<dyn Fn(&Asked) -> Response + Send + Sync>;

/// A server that runs as long as its test's runtime, and the paths that were asked for.
pub(crate) struct Page {
    pub(crate) address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Page {
    /// Serves at an address of this machine.
    pub(crate) async fn at(
        address: &str,
        answer: impl Fn(&Asked) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let page = Self {
            address: listener.local_addr().unwrap(),
            paths: Arc::default(),
        };
        let answer: Answer = Arc::new(answer);
        let router = Router::new()
            .fallback(serve)
            .with_state((answer, Arc::clone(&page.paths)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        page
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The paths that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }
}

async fn serve(
    State((answer, paths)): State<(Answer, Arc<Mutex<Vec<String>>>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked {
        method,
        path: uri.path().to_owned(),
        headers,
        body,
    };
    paths.lock().unwrap().push(asked.path.clone());
    answer(&asked)
}

pub(crate) fn json_of(value: &Value) -> Response {
    let kind = [("content-type", "application/json")];
    (kind, value.to_string()).into_response()
}

/// Answers what a server of the older era must; `None` for what only some have.
pub(crate) fn basics(message: &Value) -> Option<Response> {
    let id = message.get("id");
    match (message["method"].as_str(), id) {
        (_, None) => Some(StatusCode::ACCEPTED.into_response()),
        (Some("initialize"), _) => Some(result(
            message,
            &json!({"protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}}, "serverInfo": {"name": "page", "version": "1"}}),
        )),
        (Some("tools/list" | "tools/call"), _) => None,
        _ => Some(json_of(
            &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}),
        )),
    }
}

pub(crate) fn result(message: &Value, result: &Value) -> Response {
    json_of(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))
}
