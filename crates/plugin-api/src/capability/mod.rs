//! Classes of power over the outside, each narrowed by a typed constraint.
//!
//! This module decides what a capability is, what it allows and how two of them compare. It
//! never decides whether a plugin holds one: that is the gate's. An empty constraint means
//! *nothing*, never everything, and a malformed item in a constraint means nothing too.

mod algebra;
mod allows;
mod diff;
mod item;
mod risk;
mod tag;

pub use diff::NeedsDiff;
pub use item::is_reserved_env;
pub(crate) use item::{ItemKind, canonical_env_name};
pub use risk::Risk;
pub use tag::{Selector, TagError};

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A capability: one family of power, narrowed.
///
/// Requests and grants both hold one; a grant covers a request's part when
/// [`Capability::covers`] says so.
///
/// ```
/// use keyway_plugin_api::Capability;
/// let asked: Capability = serde_json::from_str(
///     r#"{ "kind": "filesystem", "read": ["./repo"], "write": ["./repo/notes"] }"#,
/// )?;
/// assert_eq!(asked.tags(), ["filesystem:read:./repo", "filesystem:write:./repo/notes"]);
/// assert!(asked.allows_read("repo/src/main.rs"));
/// assert!(!asked.allows_read("repo2/secret"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the closed vocabulary of settlement 13"
)]
pub enum Capability {
    /// Reads and writes files under these paths.
    Filesystem {
        /// Paths that may be read, with everything below them.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        read: BTreeSet<String>,
        /// Paths that may be written, with everything below them.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        write: BTreeSet<String>,
    },
    /// Asks these model providers.
    Model {
        /// Provider names.
        providers: BTreeSet<String>,
    },
    /// Talks to these hosts.
    Network {
        /// Host names, or `*.example.com` for one or more labels in front.
        hosts: BTreeSet<String>,
        /// HTTP methods; absent means any, empty means none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        methods: Option<BTreeSet<String>>,
    },
    /// Runs these programs.
    Process {
        /// Program names.
        programs: BTreeSet<String>,
    },
    /// Reads these secrets.
    Secret {
        /// Secret names.
        names: BTreeSet<String>,
    },
    /// Keeps state of its own.
    State {
        /// Bytes it may keep.
        #[serde(rename = "quotaBytes")]
        quota_bytes: u64,
    },
    /// Uses one host surface.
    Surface {
        /// The surface's name.
        surface: String,
        /// What it does there.
        verbs: BTreeSet<SurfaceVerb>,
    },
    /// Calls these tools.
    Tool {
        /// Canonical names `plugin/tool`, or `plugin/*`.
        tools: BTreeSet<String>,
    },
}

impl Capability {
    /// The names of all families, sorted.
    pub const FAMILIES: [&'static str; 8] = [
        "filesystem",
        "model",
        "network",
        "process",
        "secret",
        "state",
        "surface",
        "tool",
    ];

    /// Returns the family's name, as `kind` writes it.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::Filesystem { .. } => "filesystem",
            Self::Model { .. } => "model",
            Self::Network { .. } => "network",
            Self::Process { .. } => "process",
            Self::Secret { .. } => "secret",
            Self::State { .. } => "state",
            Self::Surface { .. } => "surface",
            Self::Tool { .. } => "tool",
        }
    }
}

/// Writes the sorted tags, joined by a comma; `network:nothing` for an empty constraint.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = self.tags();
        match tags.is_empty() {
            true => write!(f, "{}:nothing", self.family()),
            false => f.write_str(&tags.join(", ")),
        }
    }
}

/// What a plugin can do on a surface.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the eight verbs of source 000")]
pub enum SurfaceVerb {
    /// Deletes.
    Delete,
    /// Displays.
    Display,
    /// Emits.
    Emit,
    /// Hides.
    Hide,
    /// Reads.
    Read,
    /// Routes.
    Route,
    /// Wakes.
    Wake,
    /// Writes.
    Write,
}

impl SurfaceVerb {
    /// Every verb, sorted by name.
    pub const ALL: [Self; 8] = [
        Self::Delete,
        Self::Display,
        Self::Emit,
        Self::Hide,
        Self::Read,
        Self::Route,
        Self::Wake,
        Self::Write,
    ];

    /// Returns the name as manifests write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Display => "display",
            Self::Emit => "emit",
            Self::Hide => "hide",
            Self::Read => "read",
            Self::Route => "route",
            Self::Wake => "wake",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for SurfaceVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
#[non_exhaustive]
pub struct CapabilityRequest {
    /// The power asked for.
    #[serde(flatten)]
    pub capability: Capability,
    /// Why the plugin wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the plugin works without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Whether the plugin wants it outside calls too, when nobody asked it for anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
}

impl CapabilityRequest {
    /// Makes a required request without a reason.
    #[must_use]
    pub fn new(capability: Capability) -> Self {
        Self {
            capability,
            reason: None,
            optional: false,
            background: false,
        }
    }

    /// Says why the plugin wants it.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Says whether the plugin wants it outside calls too.
    #[must_use]
    pub fn with_background(mut self, background: bool) -> Self {
        self.background = background;
        self
    }

    /// Says whether the plugin works without it.
    #[must_use]
    pub fn with_optional(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }
}
