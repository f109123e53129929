//! Rule 1: tool names as model APIs want them, `[A-Za-z][A-Za-z0-9_-]{0,63}`, and back.
//!
//! `plugin/tool` becomes `plugin__tool`. A plugin id holds no underscore, so this is one-to-one
//! already; only a name that is too long, starts with a digit, holds another character or is
//! taken is shortened and gets a digest. The way back is the table, never parsing: a name that
//! was not offered is no tool.

use std::collections::BTreeMap;

/// Longest name that every model API takes, in bytes.
pub const WIRE_NAME_MAX: usize = 64;
/// How long a digest is, with the `_` before it.
const DIGEST: usize = 17;

/// The two-way table of the names of one request.
///
/// ```
/// use keyway_host::model::WireNames;
/// let names = WireNames::of(["github-tools/search.issues", "a/b"]);
/// assert_eq!(names.wire("a/b"), Some("a__b"));
/// let wire = names.wire("github-tools/search.issues").unwrap();
/// assert!(wire.starts_with("github-tools__search_issues_"));
/// assert_eq!(names.canonical(wire), Some("github-tools/search.issues"));
/// assert_eq!(names.canonical("a/b"), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct WireNames {
    to_wire: BTreeMap<String, String>,
    to_tool: BTreeMap<String, String>,
}

impl WireNames {
    /// Names every tool; equal sets of canonical names get equal wire names.
    pub fn of<'a>(tools: impl IntoIterator<Item = &'a str>) -> Self {
        Self::within(WIRE_NAME_MAX, tools)
    }

    /// Names every tool in at most `limit` bytes, for a client that puts something before each
    /// name: `mcp__<server>__`. Fewer than 32 bytes are taken as 32.
    pub fn within<'a>(limit: usize, tools: impl IntoIterator<Item = &'a str>) -> Self {
        let limit = limit.clamp(32, WIRE_NAME_MAX);
        let mut tools: Vec<&str> = tools.into_iter().collect();
        tools.sort_unstable();
        tools.dedup();
        let mut names = Self::default();
        // Plain names first: a digest can then never take a name that a tool has by right.
        let (plain, others): (Vec<&str>, Vec<&str>) = tools
            .into_iter()
            .partition(|tool| is_plain(&joined(tool), limit));
        let mut left = others;
        for tool in plain {
            if !names.insert(joined(tool), tool) {
                left.push(tool);
            }
        }
        for tool in left {
            let mut attempt = 0;
            while !names.insert(shortened(tool, limit, attempt), tool) {
                attempt += 1;
            }
        }
        names
    }

    fn insert(&mut self, wire: String, tool: &str) -> bool {
        if self.to_tool.contains_key(&wire) {
            return false;
        }
        self.to_wire.insert(tool.to_owned(), wire.clone());
        self.to_tool.insert(wire, tool.to_owned());
        true
    }

    /// Returns the name to send for a tool's canonical name.
    #[must_use]
    pub fn wire(&self, tool: &str) -> Option<&str> {
        self.to_wire.get(tool).map(String::as_str)
    }

    /// Returns the name to send for a canonical name; any other text in a form that APIs take,
    /// for a conversation that mentions a tool that is gone.
    #[must_use]
    pub fn wire_or_cleaned(&self, tool: &str) -> String {
        let known = self.wire(tool).map(str::to_owned);
        known.unwrap_or_else(|| cleaned(tool, WIRE_NAME_MAX))
    }

    /// Returns the canonical name of what a model said, where that was offered.
    #[must_use]
    pub fn canonical(&self, wire: &str) -> Option<&str> {
        self.to_tool.get(wire).map(String::as_str)
    }
}

fn joined(tool: &str) -> String {
    tool.replacen('/', "__", 1)
}

fn is_plain(name: &str, limit: usize) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    starts_well && name.len() <= limit && name.bytes().all(is_wire_byte)
}

fn is_wire_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn cleaned(text: &str, limit: usize) -> String {
    let clean = |c: char| match u8::try_from(c) {
        Ok(byte) if is_wire_byte(byte) => c,
        _ => '_',
    };
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let before = if starts_well { "" } else { "t_" };
    let characters = before.chars().chain(text.chars().map(clean));
    characters.take(limit).collect()
}

fn shortened(tool: &str, limit: usize, attempt: u32) -> String {
    let head = cleaned(&joined(tool), limit - DIGEST);
    format!("{head}_{:016x}", fnv1a(tool, attempt))
}

/// Spreads names; it protects nothing, the table refuses what was not offered.
fn fnv1a(text: &str, attempt: u32) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(attempt);
    text.bytes().fold(seed, step)
}
