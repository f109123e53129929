//! One record as it is read back, and which of them to show.

use serde::Deserialize;

use super::chain::Fields;
use super::{AuditEvent, Head};
use crate::digest::Digest;

/// A record is one event at its place in the chain, read back from a trail.
///
/// Reading checks that the record's hash is its own; whether the records follow each other is
/// what verifying tells.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// Its number; the first is 1.
    pub seq: u64,
    /// When the event was recorded, in Unix milliseconds, by the host's clock. The order of
    /// events is that of `seq`.
    pub at_ms: i64,
    /// Hash of the record before it.
    pub prev: Digest,
    /// Its own hash.
    pub hash: Digest,
    /// The event's tag, also when this version does not know it.
    pub kind: String,
    /// The event.
    pub event: AuditEvent,
    line: String,
}

#[derive(Deserialize)]
struct Tag {
    event: String,
}

impl Record {
    /// Reads one line, without its newline.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(line: &[u8]) -> Result<Self, String> {
        let fields = Fields::of(line)?;
        let bad = |what: &dyn std::fmt::Display| format!("record {}: {what}", fields.seq);
        let line = std::str::from_utf8(line).map_err(|error| bad(&error))?;
        let Tag { event: kind } = serde_json::from_str(line).map_err(|error| bad(&error))?;
        let Head { seq, hash, .. } = fields.head();
        Ok(Self {
            seq,
            at_ms: fields.at_ms,
            prev: fields.prev,
            hash,
            kind,
            // A redacted name no longer parses as one; the record still counts.
            event: serde_json::from_str(line).unwrap_or(AuditEvent::Unknown),
            line: line.to_owned(),
        })
    }

    /// Returns the record as the JSON line that the trail holds.
    #[must_use]
    pub fn as_line(&self) -> &str {
        &self.line
    }
}

/// A filter says which records to show; each part that is set must match.
///
/// ```
/// use keyway_host::audit::Filter;
/// let denials_of_notes = Filter::new().plugin("notes").event("call_denied");
/// # let _ = denials_of_notes;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    plugin: Option<String>,
    tool: Option<String>,
    event: Option<String>,
    call: Option<u64>,
}

impl Filter {
    /// Makes a filter that lets every record through.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets only records about this plugin through.
    #[must_use]
    pub fn plugin(mut self, plugin: impl Into<String>) -> Self {
        self.plugin = Some(plugin.into());
        self
    }

    /// Lets only records about this tool through.
    #[must_use]
    pub fn tool(mut self, tool: impl Into<String>) -> Self {
        self.tool = Some(tool.into());
        self
    }

    /// Lets only records of this call through.
    #[must_use]
    pub fn call(mut self, call: u64) -> Self {
        self.call = Some(call);
        self
    }

    /// Lets only records with this tag through, for example `tool_called`.
    #[must_use]
    pub fn event(mut self, tag: impl Into<String>) -> Self {
        self.event = Some(tag.into());
        self
    }

    /// Tells whether a record gets through.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let event = &record.event;
        let wants = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|w| found == Some(w))
        };
        wants(&self.plugin, event.plugin())
            && wants(&self.tool, event.tool())
            && wants(&self.event, Some(&record.kind))
            && self.call.is_none_or(|call| event.call() == Some(call))
    }
}
