//! One item of a constraint: a host, a path, a name. Each kind has a canonical form, and two
//! items of a kind are either nested or disjoint.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use crate::{AgentId, PluginId, ToolName};

/// The kinds of items that constraints list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Host,
    Method,
    Path,
    Program,
    Provider,
    Secret,
    Surface,
    Tool,
}

/// Says why an item was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ItemError {
    pub(crate) code: &'static str,
    pub(crate) rule: &'static str,
}

impl ItemKind {
    /// Brings an item into its canonical form: hosts and methods lose their case, paths their
    /// empty and `.` components; everything else stands as it is or is refused.
    pub(crate) fn canonical(self, item: &str) -> Result<String, ItemError> {
        let (code, parsed) = match self {
            Self::Host => ("BAD_HOST", canonical_host_pattern(item)),
            Self::Method => ("BAD_METHOD", canonical_method(item)),
            Self::Path => ("BAD_PATH", canonical_path(item)),
            Self::Program => ("BAD_PROGRAM", canonical_program(item)),
            Self::Provider => ("BAD_PROVIDER", canonical_label(item)),
            Self::Secret if is_reserved_env(item) => ("RESERVED_NAME", Err(RESERVED)),
            Self::Secret => ("BAD_SECRET_NAME", canonical_env_name(item)),
            Self::Surface => ("BAD_SURFACE", canonical_label(item)),
            Self::Tool => ("BAD_TOOL_PATTERN", canonical_tool_pattern(item)),
        };
        parsed.map_err(|rule| ItemError { code, rule })
    }

    /// Returns the canonical forms of the well-formed items; the others mean nothing.
    pub(super) fn canonical_set(self, items: &BTreeSet<String>) -> BTreeSet<String> {
        let canonical = items.iter().map(|item| self.canonical(item));
        canonical.filter_map(Result::ok).collect()
    }

    /// Tells whether a canonical item allows everything that another canonical item allows.
    pub(super) fn covers(self, wide: &str, narrow: &str) -> bool {
        match self {
            Self::Host => host_covers(wide, narrow),
            Self::Path => path_covers(wide, narrow),
            Self::Tool => tool_covers(wide, narrow),
            _ => wide == narrow,
        }
    }

    /// Tells whether every canonical item of `narrow` is covered by one of `wide`.
    pub(super) fn set_covers(self, wide: &BTreeSet<String>, narrow: &BTreeSet<String>) -> bool {
        let covered = |item: &String| wide.iter().any(|w| self.covers(w, item));
        narrow.iter().all(covered)
    }

    /// Returns the canonical items allowed by both sets.
    pub(super) fn meet(self, a: &BTreeSet<String>, b: &BTreeSet<String>) -> BTreeSet<String> {
        let narrower = |x: &String, y: &String| match (self.covers(x, y), self.covers(y, x)) {
            (true, _) => Some(y.clone()),
            (_, true) => Some(x.clone()),
            _ => None,
        };
        let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
        pairs.filter_map(|(x, y)| narrower(x, y)).collect()
    }
}

const RESERVED: &str = "this variable steers programs and loaders and can never be granted";

/// Environment variables that change which code a program runs, where it looks or whom it
/// talks to.
const RESERVED_ENV: [&str; 60] = [
    "ALL_PROXY",
    "BASHOPTS",
    "BASH_ENV",
    "BROWSER",
    "CDPATH",
    "CLASSPATH",
    "COMSPEC",
    "DOTNET_STARTUP_HOOKS",
    "EDITOR",
    "ENV",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_TEMPLATE_DIR",
    "GLIBC_TUNABLES",
    "HOME",
    "HOSTALIASES",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LANG",
    "LOCALDOMAIN",
    "LOCPATH",
    "NLSPATH",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NO_PROXY",
    "PAGER",
    "PATH",
    "PATHEXT",
    "PLUGIN_DATA",
    "PLUGIN_ROOT",
    "PROMPT_COMMAND",
    "PS4",
    "RES_OPTIONS",
    "RUBYLIB",
    "RUBYOPT",
    "SHELL",
    "SHELLOPTS",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "SSLKEYLOGFILE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TMP",
    "TMPDIR",
    "USER",
    "VISUAL",
    "_JAVA_OPTIONS",
];

/// Prefixes of such variables, and of the host's own.
const RESERVED_ENV_PREFIXES: [&str; 9] = [
    "BASH_FUNC_",
    "DYLD_",
    "GIT_CONFIG",
    "KEYWAY_",
    "LC_",
    "LD_",
    "MALLOC_",
    "PERL5",
    "PYTHON",
];

/// Tells whether an environment variable steers programs, loaders or the host itself, so that no
/// plugin may be given it (attack T12). Case is ignored.
///
/// ```
/// use keyway_plugin_api::is_reserved_env;
/// assert!(is_reserved_env("LD_PRELOAD"));
/// assert!(is_reserved_env("https_proxy"));
/// assert!(!is_reserved_env("GITHUB_TOKEN"));
/// ```
#[must_use]
pub fn is_reserved_env(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    RESERVED_ENV.contains(&name.as_str())
        || RESERVED_ENV_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn canonical_host_pattern(pattern: &str) -> Result<String, &'static str> {
    match pattern.strip_prefix("*.") {
        None if pattern.contains('*') => {
            Err("`*` stands only in front, as `*.example.com`; name the hosts")
        }
        None => canonical_host(pattern),
        // A canonical host whose last label is a number is an address, so a pattern never
        // matches one.
        Some(domain) => match canonical_host(domain)? {
            domain if domain.parse::<Ipv4Addr>().is_ok() => {
                Err("`*.` goes with a domain, not with an address")
            }
            domain => Ok(format!("*.{domain}")),
        },
    }
}

/// Checks and canonicalises a host: lower case, no trailing dot, labels of letters, digits and
/// inner hyphens, or a dotted IPv4 address in the one spelling everybody reads the same.
pub(super) fn canonical_host(host: &str) -> Result<String, &'static str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.len() > 253 {
        return Err("a host has 1 to 253 characters");
    }
    if !host.split('.').all(is_host_label) {
        return Err("write a bare host name: no scheme, port, path or user; other scripts as xn--");
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err("an address is written as four decimal numbers");
    }
    Ok(host.to_ascii_lowercase())
}

fn is_host_label(label: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn host_covers(wide: &str, narrow: &str) -> bool {
    let Some(domain) = wide.strip_prefix("*.") else {
        return wide == narrow;
    };
    if wide == narrow {
        return true;
    }
    let inner = narrow.strip_prefix("*.").unwrap_or(narrow);
    inner
        .strip_suffix(domain)
        .is_some_and(|front| front.ends_with('.'))
}

fn canonical_method(method: &str) -> Result<String, &'static str> {
    let is_word =
        !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    match is_word && method.len() <= 32 {
        true => Ok(method.to_ascii_uppercase()),
        false => Err("a method is a word such as GET"),
    }
}

/// Canonicalises a path without looking at any disk: `./a/b` or `/a/b`, `.` or `/` alone.
pub(super) fn canonical_path(path: &str) -> Result<String, &'static str> {
    if path.is_empty() || path.len() > 1024 {
        return Err("a path has 1 to 1024 bytes");
    }
    if path.chars().any(is_unseen) {
        return Err("a path has no control or invisible characters");
    }
    if path.contains('\\') || has_drive(path) {
        return Err("separate the parts of a path with `/` and name no drive");
    }
    if path.starts_with('~') {
        return Err("`~` is not expanded: write a relative or an absolute path");
    }
    let parts: Vec<&str> = path
        .split('/')
        .filter(|p| !matches!(*p, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return Err("`..` is never allowed");
    }
    let root = if path.starts_with('/') { "" } else { "." };
    Ok(match (root, parts.is_empty()) {
        ("", true) => "/".to_owned(),
        (root, true) => root.to_owned(),
        (root, false) => format!("{root}/{}", parts.join("/")),
    })
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

fn path_covers(wide: &str, narrow: &str) -> bool {
    // Canonical forms differ in their first byte when one is absolute and the other is not.
    let root = wide.trim_end_matches('/');
    match narrow.strip_prefix(root) {
        Some(rest) => narrow == wide || rest.starts_with('/'),
        None => false,
    }
}

fn canonical_program(program: &str) -> Result<String, &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-');
    let first_ok = program
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    match first_ok && program.len() <= 64 && program.bytes().all(allowed) {
        true => Ok(program.to_owned()),
        false => Err("a program is a bare name such as git, without a path or arguments"),
    }
}

fn canonical_label(name: &str) -> Result<String, &'static str> {
    match AgentId::parse(name) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(error) => Err(error.rule),
    }
}

/// Checks the name of an environment variable.
pub(crate) fn canonical_env_name(name: &str) -> Result<String, &'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first_ok = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    match first_ok && name.len() <= 128 && name.bytes().all(allowed) {
        true => Ok(name.to_owned()),
        false => Err("use letters, digits and `_`, not starting with a digit, as in GITHUB_TOKEN"),
    }
}

fn canonical_tool_pattern(pattern: &str) -> Result<String, &'static str> {
    const RULE: &str = "write plugin/tool or plugin/*";
    let (plugin, tool) = pattern.split_once('/').ok_or(RULE)?;
    let tool_ok = tool == "*" || ToolName::parse(tool).is_ok();
    match tool_ok && PluginId::parse(plugin).is_ok() {
        true => Ok(pattern.to_owned()),
        false => Err(RULE),
    }
}

fn tool_covers(wide: &str, narrow: &str) -> bool {
    wide == narrow
        || wide
            .strip_suffix('*')
            .is_some_and(|plugin| narrow.starts_with(plugin))
}
