//! Classes of power over the outside, each narrowed by a typed constraint.
//!
//! An empty constraint means *nothing*, never everything.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A capability: one family of power, narrowed.
///
/// Requests and grants both hold one; a grant covers a request's part when
/// [`Capability::covers`] says so.
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

/// What a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
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
}

/// How dangerous a set of requests is, least first. The order is meaning.
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
#[expect(
    clippy::exhaustive_enums,
    reason = "settlement 14 fixes the four levels"
)]
pub enum Risk {
    /// Reads harmless things.
    Low,
    /// Reads or writes within narrow limits.
    Medium,
    /// Holds secrets or changes things outside.
    High,
    /// Runs programs or speaks for the agent.
    Privileged,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Privileged => "privileged",
        })
    }
}
