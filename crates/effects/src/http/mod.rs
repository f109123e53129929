//! HTTP requests for plugins, to granted hosts and to nowhere else.
//!
//! The gate has decided about host, method and secrets. Here every connection is held to that once
//! more: the secrets are put into the headers, the host is looked up once, addresses that are not
//! of the public internet are dropped, and the connection goes to exactly the address that was
//! looked at. Redirects are followed by hand, at most [`REDIRECTS`], each of them vetted from the
//! beginning. There is no proxy, no cookie jar, no cache, no compression and no kept connection.

mod echo;
mod error;
mod follow;
mod guard;
mod resolve;
mod send;
mod template;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_host::audit::Redactor;
use keyway_host::gate::HttpAddress;
use keyway_plugin_api::{Capability, EffectRequest, HttpResponse, PluginId, ToolError};
use tokio::time::Instant;
use ureq::http::Method;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

pub use error::{HttpError, HttpSetupError};
pub use guard::AddressClass;
pub use resolve::{Resolve, SystemResolver};

use self::echo::Echo;
use self::guard::Guard;
use self::send::{Budget, Outgoing, carries_body};
use crate::EffectLimits;
use crate::secrets::SecretStore;

/// Most redirects that one request follows.
pub const REDIRECTS: usize = 5;

/// How requests reach the network.
///
/// ```
/// use keyway_effects::http::HttpOptions;
/// let options = HttpOptions::new()
///     .allow_private("wiki.intranet.example")?
///     .allow_private("10.1.0.0/16")?;
/// # Ok::<(), keyway_effects::http::HttpSetupError>(())
/// ```
#[derive(Debug, Clone)]
pub struct HttpOptions {
    resolver: Arc<dyn Resolve>,
    guard: Guard,
    tls: TlsConfig,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpOptions {
    /// Reaches the public internet, with the operating system's resolver and Mozilla's roots.
    #[must_use]
    pub fn new() -> Self {
        Self {
            resolver: Arc::new(SystemResolver::new()),
            guard: Guard::default(),
            tls: TlsConfig::builder().build(),
        }
    }

    /// Sets what looks up hosts.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Lets requests reach a host of the intranet, an address, or a block of addresses.
    ///
    /// A name allows loopback, private, link-local, carrier-grade and unique local addresses of
    /// exactly that host. A block allows what lies in it, except a metadata address, which has
    /// to be named alone. Broadcast, multicast and unspecified addresses are never reached. A
    /// plugin needs a grant for the host all the same.
    ///
    /// # Errors
    /// [`HttpSetupError::BadNetwork`].
    pub fn allow_private(mut self, what: &str) -> Result<Self, HttpSetupError> {
        self.guard.allow(what)?;
        Ok(self)
    }

    /// Trusts these certificate authorities, in PEM, and no others.
    ///
    /// # Errors
    /// [`HttpSetupError::BadCertificate`], also when there is none.
    pub fn trust_only(mut self, pem: &[u8]) -> Result<Self, HttpSetupError> {
        let mut roots = Vec::new();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
                _ => return Err(HttpSetupError::BadCertificate),
            }
        }
        if roots.is_empty() {
            return Err(HttpSetupError::BadCertificate);
        }
        let roots = RootCerts::new_with_certs(&roots);
        self.tls = TlsConfig::builder().root_certs(roots).build();
        Ok(self)
    }
}

/// Who asks for a request, and what it may use.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) plugin: &'a PluginId,
    pub(crate) within: &'a [Capability],
    pub(crate) secrets: &'a dyn SecretStore,
    pub(crate) redactor: &'a Redactor,
}

/// Sends requests.
pub(crate) struct Http {
    options: HttpOptions,
    limits: EffectLimits,
    running: Mutex<HashMap<PluginId, usize>>,
}

impl Http {
    pub(crate) fn new(options: HttpOptions, limits: EffectLimits) -> Self {
        Self {
            options,
            limits,
            running: Mutex::default(),
        }
    }

    /// Sends one request on this thread, which blocks until the answer is there.
    pub(crate) fn fetch(
        &self,
        asker: Asker<'_>,
        request: EffectRequest,
    ) -> Result<HttpResponse, ToolError> {
        let mut echo = Echo::default();
        match self.try_fetch(asker, request, &mut echo) {
            Ok(response) => Ok(echo.scrubbed(response)),
            Err(error) => Err(echo.scrubbed_error(error.told(asker.plugin, asker.within))),
        }
    }

    fn try_fetch(
        &self,
        asker: Asker<'_>,
        request: EffectRequest,
        echo: &mut Echo,
    ) -> Result<HttpResponse, HttpError> {
        let _turn = self.begin(asker.plugin)?;
        let outgoing = self.prepare(asker, request, echo)?;
        self.follow(asker, outgoing, echo)
    }

    fn prepare(
        &self,
        asker: Asker<'_>,
        request: EffectRequest,
        echo: &mut Echo,
    ) -> Result<Outgoing, HttpError> {
        let EffectRequest::HttpFetch {
            method,
            url,
            headers,
            body,
        } = request
        else {
            return Err(HttpError::BodyNotCarried);
        };
        let address = HttpAddress::parse(&url)?;
        let name = method.to_ascii_uppercase();
        check_covered(asker, &address, &name)?;
        let parsed = Method::from_bytes(name.as_bytes());
        let method = parsed.map_err(|_| not_covered(&address, &name))?;
        self.check_body(&method, body.as_deref())?;
        let headers = template::filled(&asker, &headers, &self.limits, echo)?;
        Ok(Outgoing {
            address,
            method,
            headers,
            body,
        })
    }

    fn check_body(&self, method: &Method, body: Option<&[u8]>) -> Result<(), HttpError> {
        let limit = self.limits.http_request_bytes;
        match body {
            Some(body) if body.len() > limit => Err(HttpError::TooLarge {
                what: "body's bytes",
                limit,
            }),
            Some(body) if !body.is_empty() && !carries_body(method) => {
                Err(HttpError::BodyNotCarried)
            }
            _ => Ok(()),
        }
    }

    fn follow(
        &self,
        asker: Asker<'_>,
        mut outgoing: Outgoing,
        echo: &Echo,
    ) -> Result<HttpResponse, HttpError> {
        let end = Instant::now() + self.limits.http_time;
        for _ in 0..=REDIRECTS {
            check_covered(asker, &outgoing.address, outgoing.method.as_str())?;
            let answer = self.send(&outgoing, end)?;
            match follow::next(&outgoing, &answer)? {
                Some(next) => outgoing = next,
                None => {
                    if echo.knows_any() {
                        answer.check_readable()?;
                    }
                    return answer.read(&self.limits);
                }
            }
        }
        Err(HttpError::Redirect {
            host: outgoing.host().to_owned(),
            problem: "it is one of more than 5 in a row",
        })
    }

    fn send(&self, outgoing: &Outgoing, end: Instant) -> Result<send::Answer, HttpError> {
        let HttpOptions {
            resolver,
            guard,
            tls,
        } = &self.options;
        let left = || end.saturating_duration_since(Instant::now());
        let vetted = resolve::vetted(resolver, guard, &outgoing.address, left())?;
        let time = left();
        if time.is_zero() {
            return Err(HttpError::Timeout {
                host: outgoing.host().to_owned(),
            });
        }
        let limits = &self.limits;
        send::send(outgoing, vetted, Budget { time, limits, tls })
    }

    fn begin(&self, plugin: &PluginId) -> Result<Turn<'_>, HttpError> {
        let limit = self.limits.http_at_once;
        let mut running = lock(&self.running);
        let count = running.entry(plugin.clone()).or_default();
        if *count >= limit {
            return Err(HttpError::Busy { limit });
        }
        *count += 1;
        Ok(Turn {
            running: &self.running,
            plugin: plugin.clone(),
        })
    }
}

/// One of the requests that a plugin may have on the way at once.
struct Turn<'a> {
    running: &'a Mutex<HashMap<PluginId, usize>>,
    plugin: PluginId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut running = lock(self.running);
        if let Some(count) = running.get_mut(&self.plugin) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.plugin);
            }
        }
    }
}

fn check_covered(asker: Asker<'_>, address: &HttpAddress, method: &str) -> Result<(), HttpError> {
    let covers = |c: &Capability| c.allows_host(address.host(), method);
    match asker.within.iter().any(covers) {
        true => Ok(()),
        false => Err(not_covered(address, method)),
    }
}

fn not_covered(address: &HttpAddress, method: &str) -> HttpError {
    HttpError::NotCovered {
        host: address.host().to_owned(),
        method: keyway_host::text::excerpt(method).into_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
