//! HTTP to the hosts that the operator granted.

use std::fmt;
use std::marker::PhantomData;

use super::reply::ask;
use crate::{
    Arguments, CallCx, ConstNeed, EffectReply, EffectRequest, FromCall, HttpResponse, ToolError,
};

/// Names hosts at compile time, so that the descriptor can say which ones a tool talks to.
pub trait Hosts: Send + Sync + 'static {
    /// Host names, as the manifest requests them and the operator grants them.
    const HOSTS: &'static [&'static str];
}

/// The right to ask for HTTP requests to the hosts that `H` names. The gate decides on each, and
/// again on each redirect.
///
/// ```
/// use keyway_plugin_api::{Hosts, HttpRequest, Net, ToolError, tool};
///
/// struct Github;
/// impl Hosts for Github {
///     const HOSTS: &'static [&'static str] = &["api.github.com"];
/// }
///
/// /// Returns GitHub's advice of the day.
/// #[tool(effect = read)]
/// async fn zen(github: Net<Github>) -> Result<String, ToolError> {
///     let request = HttpRequest::get("https://api.github.com/zen")
///         .with_header("authorization", "Bearer ${secret:GITHUB_TOKEN}");
///     let answer = github.send(request).await?;
///     Ok(answer.text().unwrap_or_default().to_owned())
/// }
/// ```
pub struct Net<H> {
    cx: CallCx,
    hosts: PhantomData<fn() -> H>,
}

impl<H: Hosts> Net<H> {
    /// Sends a request and gives the answer, whatever its status.
    ///
    /// # Errors
    /// `Denied` with the missing grant, or what else went wrong outside.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ToolError> {
        ask(&self.cx, request.into_effect(), |reply| match reply {
            EffectReply::Http(response) => Some(response),
            _ => None,
        })
        .await
    }

    /// Gets a URL.
    ///
    /// # Errors
    /// As [`Net::send`].
    pub async fn get(&self, url: impl Into<String>) -> Result<HttpResponse, ToolError> {
        self.send(HttpRequest::get(url)).await
    }
}

impl<'c, H: Hosts> FromCall<'c> for Net<H> {
    const NEED: ConstNeed = ConstNeed::Network(H::HOSTS);

    fn from_call(cx: &'c CallCx, _: Arguments<'c>) -> Result<Self, ToolError> {
        Ok(Self {
            cx: cx.clone(),
            hosts: PhantomData,
        })
    }
}

impl<H: Hosts> fmt::Debug for Net<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Net").field(&H::HOSTS).finish()
    }
}

/// An HTTP request that a plugin asks its host to send.
///
/// `${secret:NAME}` in a header's value stands for a granted secret. The host puts it in once it
/// has checked where the request goes; the plugin never sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "send it with `Net::send`"]
pub struct HttpRequest {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl HttpRequest {
    /// Makes a request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Makes a request that gets a URL.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Makes a request that posts to a URL.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    fn into_effect(self) -> EffectRequest {
        EffectRequest::HttpFetch {
            method: self.method,
            url: self.url,
            headers: self.headers,
            body: self.body,
        }
    }
}
