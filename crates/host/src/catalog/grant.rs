//! What an operator allowed.

use std::collections::BTreeSet;

use keyway_plugin_api::Capability;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::operator::OperatorId;
use crate::scope::Scope;

/// A grant is an operator's record that a request is allowed: what, by whom, for which scope,
/// for which bytes, until when, how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Grant {
    /// The power allowed.
    pub capability: Capability,
    /// Who allowed it.
    pub by: OperatorId,
    /// Unix time of the decision, in milliseconds.
    pub at_ms: i64,
    /// Callers that it holds for.
    #[serde(default, skip_serializing_if = "Scope::is_everywhere")]
    pub scope: Scope,
    /// The artifact that it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Unix time in milliseconds from which it no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// How many more uses it allows; any number when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u64>,
    /// Whether it holds outside calls too, when nobody asked the plugin for anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
}

impl Grant {
    /// Makes a grant without an end.
    #[must_use]
    pub fn new(capability: Capability, by: OperatorId, at_ms: i64, scope: Scope) -> Self {
        Self {
            capability,
            by,
            at_ms,
            scope,
            digest: None,
            expires_at_ms: None,
            uses_left: None,
            background: false,
        }
    }

    /// Tells whether time and uses are left. Pass what
    /// [`CatalogState::judged_ms`](super::CatalogState::judged_ms) returns.
    #[must_use]
    pub fn is_unexpired(&self, judged_ms: i64) -> bool {
        self.expires_at_ms.is_none_or(|end| judged_ms < end) && self.uses_left != Some(0)
    }
}

/// Which requests an approval grants. The required ones are always among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrantSelection {
    /// The optional ones too.
    All,
    /// The required ones only.
    #[default]
    Required,
    /// The required ones, and of the optional ones what these tags name.
    Tags(BTreeSet<String>),
}

/// An approval is what an operator answers to a plugin's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Approval {
    /// The operator.
    pub by: OperatorId,
    /// Which requests to grant.
    #[serde(default)]
    pub grants: GrantSelection,
    /// Callers that the grants hold for; the plugin's own scope when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Unix time in milliseconds at which the grants end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// How many uses each grant allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u64>,
    /// The bytes that the operator looked at; a mismatch is refused (attack T40).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Approval {
    /// Makes an approval of what is required, without an end.
    #[must_use]
    pub fn by(operator: OperatorId) -> Self {
        Self {
            by: operator,
            grants: GrantSelection::default(),
            scope: None,
            expires_at_ms: None,
            uses: None,
            digest: None,
        }
    }

    /// Grants the optional requests too.
    #[must_use]
    pub fn with_all(mut self) -> Self {
        self.grants = GrantSelection::All;
        self
    }

    /// Grants of the optional requests what these tags name.
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = String>) -> Self {
        self.grants = GrantSelection::Tags(tags.into_iter().collect());
        self
    }

    /// Limits the grants to a scope.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Ends the grants at a time.
    #[must_use]
    pub fn with_expiry(mut self, expires_at_ms: i64) -> Self {
        self.expires_at_ms = Some(expires_at_ms);
        self
    }

    /// Limits how often each grant can be used.
    #[must_use]
    pub fn with_uses(mut self, uses: u64) -> Self {
        self.uses = Some(uses);
        self
    }

    /// Pins the approval to the bytes that were looked at.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }
}
