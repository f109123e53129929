//! From a host's name to the addresses that may be connected to, in one lookup.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use keyway_host::gate::HttpAddress;

use super::HttpError;
use super::guard::Guard;

/// Most addresses of one host that are tried.
const ADDRESSES: usize = 8;

/// Looks up the addresses of a host.
///
/// Contract: called once for every connection, concurrently, on a thread that may block. What it
/// answers is checked against the guard and then connected to; nothing looks the name up again.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use keyway_effects::http::Resolve;
///
/// /// Knows one host.
/// #[derive(Debug)]
/// struct Fixed;
/// impl Resolve for Fixed {
///     fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
///         match host {
///             "api.example.com" => Ok(vec![Ipv4Addr::new(93, 184, 216, 34).into()]),
///             _ => Ok(Vec::new()),
///         }
///     }
/// }
/// assert!(Fixed.resolve("other.example.com").unwrap().is_empty());
/// ```
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// Returns the addresses of a host, best first; none when there is no such host.
    ///
    /// # Errors
    /// What the operating system said.
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct SystemResolver;

impl SystemResolver {
    /// Returns the operating system's resolver.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = (host, 0).to_socket_addrs()?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Looks a host up once and returns what of it may be connected to, at least one.
pub(super) fn vetted(
    resolver: &Arc<dyn Resolve>,
    guard: &Guard,
    address: &HttpAddress,
    patience: Duration,
) -> Result<Vec<SocketAddr>, HttpError> {
    let host = address.host();
    let found = match literal(host) {
        Some(ip) => vec![ip],
        None => lookup(resolver, host, patience)?,
    };
    let mut blocked = None;
    let mut fit = Vec::new();
    for ip in found {
        match guard.check(host, ip) {
            Ok(()) => fit.push(SocketAddr::new(ip, address.port())),
            Err(class) => blocked = Some(class),
        }
    }
    fit.truncate(ADDRESSES);
    match (fit.is_empty(), blocked) {
        (false, _) => Ok(fit),
        (true, Some(class)) => Err(HttpError::Blocked {
            host: host.to_owned(),
            class,
        }),
        (true, None) => Err(HttpError::NotResolved {
            host: host.to_owned(),
        }),
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// A resolver can take longer than the request may; it is then left behind.
fn lookup(
    resolver: &Arc<dyn Resolve>,
    host: &str,
    patience: Duration,
) -> Result<Vec<IpAddr>, HttpError> {
    let not_resolved = || HttpError::NotResolved {
        host: host.to_owned(),
    };
    let (tell, told) = mpsc::sync_channel(1);
    let (resolver, name) = (Arc::clone(resolver), host.to_owned());
    let thread = std::thread::Builder::new().name("keyway-resolve".to_owned());
    let asked = thread.spawn(move || drop(tell.send(resolver.resolve(&name))));
    asked.map_err(|_| not_resolved())?;
    match told.recv_timeout(patience) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(_)) | Err(mpsc::RecvTimeoutError::Disconnected) => Err(not_resolved()),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(HttpError::Timeout {
            host: host.to_owned(),
        }),
    }
}
