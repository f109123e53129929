//! The one place where the address of an HTTP request is read.
//!
//! Gate, trail and performer all ask this type, so that no two of them can see two hosts in one
//! text.

use std::fmt;

use url::{Host, Url};

/// Most bytes of an address.
const LONGEST: usize = 8 * 1024;

/// The checked address of an HTTP request: `http` or `https`, a host, no user information.
///
/// The host is in lower case, in its ASCII form (IDNA) and without a trailing dot; an IPv4 address
/// is in its dotted form, however it was spelled. The fragment is gone.
///
/// ```
/// use keyway_host::gate::HttpAddress;
/// let address = HttpAddress::parse("https://API.github.com./zen?q=1#top")?;
/// assert_eq!(address.host(), "api.github.com");
/// assert_eq!(address.as_str(), "https://api.github.com/zen?q=1");
/// assert_eq!(HttpAddress::parse("http://0x7f.1/")?.host(), "127.0.0.1");
/// assert!(HttpAddress::parse("https://api.github.com@evil.test/").is_err());
/// # Ok::<(), keyway_host::gate::HttpAddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpAddress {
    url: Url,
    host: String,
}

/// Says why a text is no address of an HTTP request. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HttpAddressError {
    /// The host is malformed or missing.
    #[error("an address with a malformed host, expected https://HOST/PATH")]
    Host,
    /// The address is too long.
    #[error("an address of more than {LONGEST} bytes")]
    Long,
    /// A port is malformed, or 0.
    #[error("an address with a malformed port")]
    Port,
    /// It is not an absolute `http` or `https` address.
    #[error("an address that begins with neither http:// nor https://")]
    Scheme,
    /// Two programs could read it differently.
    #[error("an address with white space, a control character, `\\`, or `%` in its host")]
    Spelling,
    /// There is a user or a password in it.
    #[error("an address with a user or password before its host")]
    UserInformation,
}

impl HttpAddressError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Host => "ADDRESS_HOST",
            Self::Long => "ADDRESS_TOO_LONG",
            Self::Port => "ADDRESS_PORT",
            Self::Scheme => "ADDRESS_SCHEME",
            Self::Spelling => "ADDRESS_SPELLING",
            Self::UserInformation => "ADDRESS_USER",
        }
    }
}

impl HttpAddress {
    /// Parses an absolute address.
    ///
    /// # Errors
    /// [`HttpAddressError`] with the rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, HttpAddressError> {
        check_spelling(text)?;
        let authority = authority(text)?;
        if authority.contains('@') {
            return Err(HttpAddressError::UserInformation);
        }
        if authority.contains('%') {
            return Err(HttpAddressError::Spelling);
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort => HttpAddressError::Port,
            _ => HttpAddressError::Host,
        })?;
        Self::check(url)
    }

    /// Resolves what a redirect names, absolute or relative to this address.
    ///
    /// # Errors
    /// As [`HttpAddress::parse`].
    pub fn join(&self, location: &str) -> Result<Self, HttpAddressError> {
        check_spelling(location)?;
        let joined = self.url.join(location);
        Self::parse(joined.map_err(|_| HttpAddressError::Host)?.as_str())
    }

    /// Returns the host as grants name it. An IPv6 address is in brackets; no grant names one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, also where the address leaves it out.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(0)
    }

    /// Tells whether the connection is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Tells whether another address has the same scheme, host and port.
    #[must_use]
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.is_encrypted() == other.is_encrypted()
            && self.host == other.host
            && self.port() == other.port()
    }

    /// Returns the address as it goes to the server. It can hold what a log must not.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    fn check(mut url: Url) -> Result<Self, HttpAddressError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpAddressError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpAddressError::UserInformation);
        }
        if url.port() == Some(0) {
            return Err(HttpAddressError::Port);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => checked_name(name)?,
            Some(Host::Ipv4(ip)) => ip.to_string(),
            // In the spelling of the parser, which is another than the standard library's.
            Some(Host::Ipv6(_)) => url.host_str().unwrap_or_default().to_owned(),
            None => return Err(HttpAddressError::Host),
        };
        let set = url.set_host(Some(&host));
        set.map_err(|_| HttpAddressError::Host)?;
        url.set_fragment(None);
        match url.host_str() == Some(&host) {
            true => Ok(Self { url, host }),
            false => Err(HttpAddressError::Host),
        }
    }
}

/// Checks a name that the parser has brought into its ASCII form.
fn checked_name(name: &str) -> Result<String, HttpAddressError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| (1..=63).contains(&label.len());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    match name.len() <= 253 && name.split('.').all(is_label) && name.bytes().all(allowed) {
        true => Ok(name.to_ascii_lowercase()),
        false => Err(HttpAddressError::Host),
    }
}

/// Refuses what parsers are known to drop or to turn into something else.
fn check_spelling(text: &str) -> Result<(), HttpAddressError> {
    let is_odd = |c: char| c.is_whitespace() || c == '\\' || crate::text::is_unsafe(c);
    match text {
        _ if text.len() > LONGEST => Err(HttpAddressError::Long),
        _ if text.chars().any(is_odd) => Err(HttpAddressError::Spelling),
        _ => Ok(()),
    }
}

/// Returns what stands between `//` and the path.
fn authority(text: &str) -> Result<&str, HttpAddressError> {
    let (scheme, rest) = text.split_once("://").ok_or(HttpAddressError::Scheme)?;
    let schemes = ["http", "https"];
    if !schemes
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(HttpAddressError::Scheme);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.is_empty() {
        true => Err(HttpAddressError::Host),
        false => Ok(authority),
    }
}

/// Shows scheme, host and port only: the rest can hold what a log must not.
impl fmt::Debug for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = format!("{}://{}:{}", self.url.scheme(), self.host, self.port());
        f.debug_tuple("HttpAddress").field(&origin).finish()
    }
}
