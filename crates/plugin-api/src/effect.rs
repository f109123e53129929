//! What a plugin may ask its host to do for it, as plain data.
//!
//! A plugin never touches the outside itself: it sends an [`EffectRequest`], the gate decides,
//! the host performs and answers with an [`EffectReply`]. The same values travel for linked
//! plugins and over a channel.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A plugin's request for one effect outside itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EffectRequest {
    /// Calls another tool; the effective grants are the intersection along the chain.
    CallTool {
        /// The tool's canonical or unambiguous name.
        tool: String,
        /// The arguments as JSON text.
        arguments: String,
    },
    /// Lists the names in a directory, sorted.
    FsList {
        /// The directory, relative to the root that the operator granted.
        path: String,
    },
    /// Reads a whole file.
    FsRead {
        /// The file, relative to the root that the operator granted.
        path: String,
    },
    /// Removes a file.
    FsRemove {
        /// The file, relative to the root that the operator granted.
        path: String,
    },
    /// Tells whether a path is a file or a directory and how large it is.
    FsStat {
        /// The path, relative to the root that the operator granted.
        path: String,
    },
    /// Replaces a file with these bytes, durably and as a whole.
    FsWrite {
        /// The file, relative to the root that the operator granted.
        path: String,
        /// The new content.
        bytes: Vec<u8>,
    },
    /// Sends one HTTP request. The host checks the host name again on every redirect and on the
    /// resolved address.
    HttpFetch {
        /// The method, in capitals.
        method: String,
        /// The absolute URL, `http` or `https`.
        url: String,
        /// Headers in order. `${secret:NAME}` in a value stands for a granted secret, which the
        /// host puts in after it has checked where the request goes; the plugin never sees it.
        headers: Vec<(String, String)>,
        /// The body, where there is one.
        body: Option<Vec<u8>>,
    },
    /// Writes one line to the plugin's log.
    Log {
        /// How important the line is.
        level: LogLevel,
        /// The text; the host redacts and escapes it.
        message: String,
    },
    /// Tells whoever waits for the call how far it is.
    Progress {
        /// How much is done; never less than what was said before.
        done: u64,
        /// How much there is in all, where that is known.
        total: Option<u64>,
        /// What is being done, in a few words.
        message: Option<String>,
    },
    /// Reads a granted secret.
    SecretRead {
        /// The secret's name.
        name: String,
    },
    /// Replaces a state value only if it still is what the plugin last saw.
    StateCas {
        /// The key.
        key: String,
        /// What the plugin believes is stored; `None` for nothing.
        expected: Option<Vec<u8>>,
        /// The new value.
        value: Vec<u8>,
    },
    /// Deletes a state value.
    StateDelete {
        /// The key.
        key: String,
    },
    /// Reads a state value.
    StateGet {
        /// The key.
        key: String,
    },
    /// Lists the keys that begin with a prefix, sorted.
    StateList {
        /// The prefix; empty lists every key.
        prefix: String,
    },
    /// Stores a state value durably.
    StatePut {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
    },
}

/// The host's answer to an [`EffectRequest`] that was permitted and worked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EffectReply {
    /// Bytes of a file or of a state value; `None` when a state key holds nothing.
    Bytes(Option<Vec<u8>>),
    /// It is done and there is nothing to say.
    Done,
    /// The answer to an HTTP request, whatever its status.
    Http(HttpResponse),
    /// Sorted names.
    Names(Vec<String>),
    /// The output of the tool that was called, as JSON text.
    Output(String),
    /// A secret's value.
    Secret(SecretValue),
    /// What a path is.
    Stat(FileStat),
    /// Whether a compare-and-swap took place.
    Swapped(bool),
}

/// The answer to an HTTP request.
#[derive(Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the three parts every HTTP answer has, taken apart by authors"
)]
pub struct HttpResponse {
    /// The status, for example 200.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Returns the first header of a name, in whatever case it is asked for.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the body as text, where it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// Tells whether the status is one of the two hundreds.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Shows sizes and no content: an answer can hold what a log must not.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Tells what a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a plain pair of facts, matched by authors"
)]
pub struct FileStat {
    /// Whether it is a directory; otherwise it is a regular file.
    pub is_directory: bool,
    /// Size in bytes; 0 for a directory.
    pub bytes: u64,
}

/// How important a log line is, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the five levels every log has")]
pub enum LogLevel {
    /// For following single steps.
    Trace,
    /// For debugging.
    Debug,
    /// For normal operation.
    Info,
    /// Something is off and work goes on.
    Warn,
    /// Something failed.
    Error,
}

/// A secret's value. It prints as `[redacted]` and cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Box<str>);

impl SecretValue {
    /// Wraps a secret.
    #[must_use]
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Self(value.into())
    }

    /// Returns the secret itself; the one loud way to it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
