//! Keeps granted secrets out of everything that is written down.
//!
//! It knows values, not shapes: what it was never told it cannot find. It does not escape
//! control characters; whoever prints does.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use aho_corasick::{AhoCorasick, MatchKind};
use arc_swap::ArcSwapOption;
use keyway_plugin_api::SecretValue;
use serde_json::Value;

use super::encodings::encodings;

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// A redactor scrubs the secret values it has learnt, in every encoding it knows, from text.
///
/// Clones share what they learn. With nothing learnt it costs one atomic load. It finds a value
/// as it is, reversed, escaped once or twice as JSON, percent- or form-encoded, as hexadecimal
/// and as base64 (both alphabets, padded or not, at every alignment), in any case of letters.
///
/// Limits: a value shorter than [`Redactor::SHORTEST`] bytes is not learnt (it would be found
/// everywhere); a value cut into pieces, encoded twice otherwise, compressed or encrypted is not
/// found.
///
/// ```
/// use keyway_host::audit::Redactor;
/// use keyway_plugin_api::SecretValue;
/// let redactor = Redactor::new();
/// redactor.learn(&SecretValue::new("hunter2!"));
/// assert_eq!(redactor.redact("login failed for hunter2!"), "login failed for [redacted]");
/// assert_eq!(redactor.redact("Basic aHVudGVyMiE="), "Basic [redacted]");
/// ```
#[derive(Clone, Default)]
pub struct Redactor {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    needles: Mutex<BTreeSet<String>>,
    finder: ArcSwapOption<AhoCorasick>,
}

impl Redactor {
    /// Bytes of the shortest value that is learnt.
    pub const SHORTEST: usize = 4;

    /// Makes a redactor that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns a value: it never gets past this redactor again.
    ///
    /// Of a value of many lines, such as a private key, each longer line is learnt too. Returns
    /// whether the value will be found: one shorter than [`Redactor::SHORTEST`] is not, nor one
    /// beyond the billions of bytes that can be searched for at once.
    pub fn learn(&self, secret: &SecretValue) -> bool {
        let value = secret.expose().trim();
        if value.len() < Self::SHORTEST {
            return false;
        }
        let mut needles = self.lock();
        let known = needles.len();
        needles.extend(encodings(value));
        for line in value.lines().map(str::trim).filter(|l| l.len() >= LINE) {
            needles.extend(encodings(line));
        }
        if needles.len() == known {
            return true;
        }
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(needles.iter());
        let Ok(finder) = finder else {
            return false;
        };
        self.shared.finder.store(Some(Arc::new(finder)));
        true
    }

    /// Returns the text without the secrets in it.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(finder) = &*self.shared.finder.load() else {
            return Cow::Borrowed(text);
        };
        if !finder.is_match(text) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        finder.replace_all_with(text, &mut out, |_, _, out| {
            out.push_str(REDACTED);
            true
        });
        Cow::Owned(out)
    }

    /// Returns the JSON value without the secrets in its strings and keys.
    #[must_use]
    pub fn redact_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(&text).into_owned()),
            Value::Array(items) => items.into_iter().map(|v| self.redact_value(v)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, v)| (self.redact(&key).into_owned(), self.redact_value(v)))
                .collect(),
            other => other,
        }
    }

    /// Redacts the JSON document that ends `out` and begins at `from`, an event.
    ///
    /// Secrets are sought in the bytes first: escaping is one of the encodings, so the slow path
    /// is taken only when something is there.
    pub(super) fn redact_json(&self, out: &mut Vec<u8>, from: usize) -> Option<()> {
        let finder = self.shared.finder.load();
        if !finder.as_ref().is_some_and(|f| f.is_match(&out[from..])) {
            return Some(());
        }
        let Ok(Value::Object(mut event)) = serde_json::from_slice(&out[from..]) else {
            return None;
        };
        // The tag is the host's own word; it comes first and stays as it is.
        let tag = event.remove("event")?;
        out.truncate(from);
        write!(out, r#"{{"event":{tag}"#).ok()?;
        for (key, value) in event {
            let (key, value) = (self.redact(&key), self.redact_value(value));
            write!(out, ",{}:{value}", Value::from(key)).ok()?;
        }
        out.push(b'}');
        Some(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        let needles = &self.shared.needles;
        needles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the shortest line of a value of many lines that is learnt by itself.
const LINE: usize = 12;

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}
