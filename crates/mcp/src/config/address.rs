//! Addresses and headers of servers that are reached over HTTP.

use super::ConfigError;

/// Headers that the transport and the protocol set themselves.
const RESERVED: [&str; 12] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "transfer-encoding",
];

/// Checks an address: `https`, or `http` on this machine; no user name, no fragment.
pub(crate) fn check(url: &str) -> Result<(), ConfigError> {
    let refuse = |rule| Err(ConfigError::address(url, rule));
    let (rest, must_be_local) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return refuse("it begins with neither `https://` nor `http://`"),
    };
    if url
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
    {
        return refuse("it holds a character that no address has");
    }
    if url.contains('#') {
        return refuse("it has a fragment");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return refuse("it names no host, or a user");
    }
    if must_be_local && !is_this_machine(authority) {
        return refuse("`http` is only for this machine; use `https`");
    }
    Ok(())
}

fn is_this_machine(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Returns the host name of a checked address, without its port.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

pub(super) fn check_header(name: &str, value: &str) -> Result<(), ConfigError> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(ConfigError::header(name, "it is no header name"));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("mcp-param-") {
        return Err(ConfigError::header(name, "the protocol sets it"));
    }
    if value.chars().any(|c| c.is_control()) {
        return Err(ConfigError::header(
            name,
            "its value holds a control character",
        ));
    }
    Ok(())
}
