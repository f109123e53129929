//! One request over one connection to an address that was vetted.

use std::fmt;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use keyway_host::gate::HttpAddress;
use keyway_plugin_api::HttpResponse;
use ureq::config::Config;
use ureq::http::{Method, Request, Response, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Error};

use super::HttpError;
use super::template::Header;
use crate::EffectLimits;

const AGENT: &str = concat!("keyway/", env!("CARGO_PKG_VERSION"));

/// A request on its way.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) address: HttpAddress,
    pub(super) method: Method,
    pub(super) headers: Vec<Header>,
    pub(super) body: Option<Vec<u8>>,
}

impl Outgoing {
    pub(super) fn host(&self) -> &str {
        self.address.host()
    }
}

/// What one connection may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget<'a> {
    pub(super) time: Duration,
    pub(super) limits: &'a EffectLimits,
    pub(super) tls: &'a TlsConfig,
}

/// The beginning of an answer; its body is still in the connection.
#[derive(Debug)]
pub(super) struct Answer {
    host: String,
    response: Response<Body>,
}

/// Connects to one of the vetted addresses and to nothing else, and reads the answer's headers.
pub(super) fn send(
    outgoing: &Outgoing,
    vetted: Vec<SocketAddr>,
    budget: Budget<'_>,
) -> Result<Answer, HttpError> {
    let host = outgoing.host();
    let agent = Agent::with_parts(
        config(budget),
        DefaultConnector::default(),
        Vetted {
            host: host.to_owned(),
            vetted,
        },
    );
    let mut request = Request::builder().method(outgoing.method.clone());
    request = request.uri(uri(&outgoing.address)?);
    if let Some(headers) = request.headers_mut() {
        for header in &outgoing.headers {
            headers.append(header.name.clone(), header.value.clone());
        }
    }
    let malformed = |_| not_reached(host, "the request is malformed");
    let sent = match carries_body(&outgoing.method) {
        true => {
            let body = outgoing.body.as_deref().unwrap_or_default();
            agent.run(request.body(body).map_err(malformed)?)
        }
        false => agent.run(request.body(()).map_err(malformed)?),
    };
    match sent {
        Ok(response) => Ok(Answer {
            host: host.to_owned(),
            response,
        }),
        Err(error) => Err(failed(host, &error, budget.limits)),
    }
}

/// Tells whether a request of this method carries a body.
pub(super) fn carries_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// No proxy, no redirect, no cookie, no compression: what is vetted is what happens.
fn config(budget: Budget<'_>) -> Config {
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(budget.time))
        .max_response_header_size(budget.limits.http_header_bytes)
        .max_idle_connections(0)
        .user_agent(AGENT)
        .accept("*/*")
        .accept_encoding("identity")
        .tls_config(budget.tls.clone())
        .build()
}

/// The client reads the address with a parser of its own: it must see the same host.
fn uri(address: &HttpAddress) -> Result<Uri, HttpError> {
    let uri: Option<Uri> = address.as_str().parse().ok();
    let same = |uri: &Uri| {
        uri.host() == Some(address.host())
            && uri.port_u16().is_none_or(|port| port == address.port())
    };
    let fit = uri.filter(same);
    fit.ok_or_else(|| not_reached(address.host(), "the address is malformed"))
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Returns where a redirect leads, if the answer is one.
    pub(super) fn location(&self) -> Option<Result<&str, HttpError>> {
        if !matches!(self.status(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = self.response.headers().get("location")?;
        Some(location.to_str().map_err(|_| HttpError::Redirect {
            host: self.host.clone(),
            problem: "its location is not printable ASCII",
        }))
    }

    /// Refuses a body that a search for a secret could not look into.
    pub(super) fn check_readable(&self) -> Result<(), HttpError> {
        let encodings = self.response.headers().get_all("content-encoding");
        let is_plain = |v: &ureq::http::HeaderValue| v.as_bytes().eq_ignore_ascii_case(b"identity");
        match encodings.iter().all(is_plain) {
            true => Ok(()),
            false => Err(HttpError::Encoded {
                host: self.host.clone(),
            }),
        }
    }

    /// Reads the body.
    pub(super) fn read(self, limits: &EffectLimits) -> Result<HttpResponse, HttpError> {
        let (parts, body) = self.response.into_parts();
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect();
        let headers = parts.headers.iter();
        let headers = headers.map(|(n, v)| (n.as_str().to_owned(), text(v.as_bytes())));
        let limit = limits.http_response_bytes;
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = body.into_reader().take(most).read_to_end(&mut bytes);
        read.map_err(|e| broken(&self.host, &e, limits))?;
        match bytes.len() > limit {
            true => Err(HttpError::AnswerTooLarge {
                host: self.host,
                limit,
            }),
            false => Ok(HttpResponse {
                status: parts.status.as_u16(),
                headers: headers.collect(),
                body: bytes,
            }),
        }
    }
}

/// A body fails with what stopped it inside of an I/O error.
fn broken(host: &str, error: &io::Error, limits: &EffectLimits) -> HttpError {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    {
        Some(inner) => failed(host, inner, limits),
        None if error.kind() == io::ErrorKind::TimedOut => timeout(host),
        None => not_reached(host, "the connection broke in the middle of the answer"),
    }
}

/// The client's own words can quote what was sent, so they are not passed on.
fn failed(host: &str, error: &Error, limits: &EffectLimits) -> HttpError {
    match error {
        Error::Timeout(_) => timeout(host),
        Error::LargeResponseHeader(..) => HttpError::AnswerTooLarge {
            host: host.to_owned(),
            limit: limits.http_header_bytes,
        },
        Error::Io(error) => match error.kind() {
            io::ErrorKind::TimedOut => timeout(host),
            io::ErrorKind::ConnectionRefused => not_reached(host, "the connection was refused"),
            io::ErrorKind::InvalidData => not_reached(host, "its certificate is not accepted"),
            _ => not_reached(host, "the connection broke"),
        },
        Error::Tls(_) | Error::Rustls(_) => not_reached(host, "its certificate is not accepted"),
        Error::Protocol(_) => not_reached(host, "it does not speak HTTP"),
        _ => not_reached(host, "the request failed"),
    }
}

fn timeout(host: &str) -> HttpError {
    HttpError::Timeout {
        host: host.to_owned(),
    }
}

fn not_reached(host: &str, problem: &'static str) -> HttpError {
    HttpError::NotReached {
        host: host.to_owned(),
        problem,
    }
}

/// Answers the client's question with what was vetted, and only the question about that host.
struct Vetted {
    host: String,
    vetted: Vec<SocketAddr>,
}

impl Resolver for Vetted {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        if uri.host() != Some(self.host.as_str()) {
            return Err(Error::HostNotFound);
        }
        let mut found = self.empty();
        for address in &self.vetted {
            found.push(*address);
        }
        Ok(found)
    }
}

impl fmt::Debug for Vetted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vetted").field("host", &self.host).finish()
    }
}
