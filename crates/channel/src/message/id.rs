//! Numbers of requests. The two directions never mix: a host uses integers, a plugin strings.

use serde::{Serialize, Serializer};

/// The number of a request that the host sent: a positive integer on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with a name")]
pub struct HostRequestId(pub u64);

/// The number of a request that the plugin sent: `"p1"`, `"p2"`, … on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with a name")]
pub struct PluginRequestId(pub u64);

impl HostRequestId {
    /// Reads the raw JSON of an id.
    pub(super) fn read(raw: &str) -> Option<Self> {
        number(raw).map(Self)
    }
}

impl PluginRequestId {
    /// Reads the raw JSON of an id.
    pub(super) fn read(raw: &str) -> Option<Self> {
        let digits = raw.strip_prefix("\"p")?.strip_suffix('"')?;
        number(digits).map(Self)
    }
}

/// Reads a positive number in its one canonical spelling, so that equal ids are equal bytes.
pub(super) fn number(digits: &str) -> Option<u64> {
    let is_canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    is_canonical.then(|| digits.parse().ok()).flatten()
}

impl Serialize for HostRequestId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(self.0)
    }
}

impl Serialize for PluginRequestId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("p{}", self.0))
    }
}
