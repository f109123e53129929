//! How dangerous a request is. The host computes it; an author can only claim more.
//!
//! | power | risk |
//! |---|---|
//! | state; read files under a relative path; read or display on a surface | low |
//! | network; secret; tool; write files under a relative path; read files under an absolute path; emit, hide, route, wake or write on a surface | medium |
//! | model; write files under an absolute path; delete on a surface | high |
//! | process | privileged |
//!
//! The risk of several requests is that of the most dangerous one, optional ones included.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Capability, CapabilityRequest, SurfaceVerb};

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
    /// Reads harmless things or keeps its own state.
    Low,
    /// Holds secrets, talks to hosts or changes things within narrow limits.
    Medium,
    /// Deletes, writes outside its folder or spends on models.
    High,
    /// Runs programs.
    Privileged,
}

impl Risk {
    /// Every level, least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Privileged];

    /// Returns the name as manifests write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Privileged => "privileged",
        }
    }

    /// Computes the least risk that these requests amount to.
    #[must_use]
    pub fn of(requests: &[CapabilityRequest]) -> Self {
        let risks = requests.iter().map(|r| r.capability.risk());
        risks.max().unwrap_or(Self::Low)
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Capability {
    /// Computes how dangerous the capability is, from its family and its constraint:
    ///
    /// | power | risk |
    /// |---|---|
    /// | nothing; state; read below a relative path; `read`, `display` on a surface | low |
    /// | network; secret; tool; write below a relative path; read below an absolute path; `emit`, `hide`, `route`, `wake`, `write` on a surface | medium |
    /// | model; write below an absolute path; `delete` on a surface | high |
    /// | process | privileged |
    #[must_use]
    pub fn risk(&self) -> Risk {
        let parts = self.atoms();
        parts.iter().map(atom_risk).max().unwrap_or(Risk::Low)
    }
}

fn atom_risk(atom: &Capability) -> Risk {
    match atom {
        Capability::Filesystem { read, write } => match (is_absolute(read), is_absolute(write)) {
            (_, true) => Risk::High,
            (true, _) => Risk::Medium,
            _ if write.is_empty() => Risk::Low,
            _ => Risk::Medium,
        },
        Capability::Model { .. } => Risk::High,
        Capability::Network { .. } | Capability::Secret { .. } | Capability::Tool { .. } => {
            Risk::Medium
        }
        Capability::Process { .. } => Risk::Privileged,
        Capability::State { .. } => Risk::Low,
        Capability::Surface { verbs, .. } => {
            let risks = verbs.iter().map(|verb| verb_risk(*verb));
            risks.max().unwrap_or(Risk::Low)
        }
    }
}

fn is_absolute<'a>(paths: impl IntoIterator<Item = &'a String>) -> bool {
    paths.into_iter().any(|path| path.starts_with('/'))
}

fn verb_risk(verb: SurfaceVerb) -> Risk {
    match verb {
        SurfaceVerb::Delete => Risk::High,
        SurfaceVerb::Display | SurfaceVerb::Read => Risk::Low,
        SurfaceVerb::Emit
        | SurfaceVerb::Hide
        | SurfaceVerb::Route
        | SurfaceVerb::Wake
        | SurfaceVerb::Write => Risk::Medium,
    }
}
