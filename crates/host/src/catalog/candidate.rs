//! What stands at the door: a plugin version that somebody wants in the catalog.

use std::collections::{BTreeMap, BTreeSet};

use keyway_plugin_api::{CapabilityRequest, Manifest, PluginId, Risk, RuntimeSpec, ToolName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::grant::Approval;
use super::record::is_default;
use super::requirement::Requirement;
use super::state::ManifestSummary;
use crate::digest::Digest;
use crate::rank::{Precedence, Trust};
use crate::scope::Scope;

/// A declaration is what a plugin version says about itself, as an operator saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Declaration {
    /// The whole manifest as it was read.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub document: Value,
    /// Digest of the artifact: of the exact bytes that would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What it asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<CapabilityRequest>,
    /// Whether it has anything to run: a runtime or an MCP server.
    #[serde(skip_serializing_if = "is_default")]
    pub has_code: bool,
    /// How it would be launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
    /// What it adds, one word each, such as `tool:search` or `hook:pre_tool_call`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub contributions: BTreeSet<String>,
    /// Whether it owns state.
    #[serde(skip_serializing_if = "is_default")]
    pub owns_state: bool,
    /// How dangerous its requests are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// Digests of its tools' definitions, as far as they are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tool_pins: BTreeMap<ToolName, Digest>,
    /// Fields this version does not know; kept as they were.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl Declaration {
    /// Reads a declaration off a manifest and the digest of its artifact.
    #[must_use]
    pub fn of(manifest: &Manifest, digest: Digest) -> Self {
        Self {
            document: manifest.source().clone(),
            digest: Some(digest),
            requests: manifest.capabilities().to_vec(),
            has_code: manifest.runtime().is_some(),
            launch: manifest.runtime().map(launch_line),
            contributions: contributions(manifest),
            owns_state: manifest.state().is_some_and(|state| state.owns),
            risk: Some(manifest.risk()),
            tool_pins: BTreeMap::new(),
            other: Map::new(),
        }
    }

    /// Returns the JSON Schema of its settings, where it has any.
    #[must_use]
    pub fn settings_schema(&self) -> Option<&Value> {
        self.document.pointer("/extensions/dev.keyway/settings")
    }

    /// Tells whether an operator has to look at it before it may run (settlement 5).
    #[must_use]
    pub fn needs_approval(&self) -> bool {
        self.has_code || !self.requests.is_empty()
    }

    /// Tells whether it adds anything besides what fills its slot.
    #[must_use]
    pub fn gives_more(&self) -> bool {
        self.contributions
            .iter()
            .any(|word| !word.starts_with("provider:"))
    }

    pub(super) fn is_default(&self) -> bool {
        is_default(self)
    }
}

fn launch_line(runtime: &RuntimeSpec) -> String {
    let words = runtime.command.iter().chain(&runtime.args);
    let kind = format!("{:?}", runtime.kind).to_lowercase();
    words.fold(kind, |line, word| format!("{line} {word:?}"))
}

fn contributions(manifest: &Manifest) -> BTreeSet<String> {
    let adds = manifest.contributes();
    let tools = adds.tools.iter().map(|(name, tool)| {
        let optional = if tool.optional { " (optional)" } else { "" };
        format!("tool:{name}{optional}")
    });
    let named = |kind: &'static str, names: &BTreeSet<String>| {
        let names: Vec<_> = names.iter().map(|name| format!("{kind}:{name}")).collect();
        names
    };
    tools
        .chain(adds.hooks.iter().map(|point| format!("hook:{point:?}")))
        .chain(named("provider", &adds.providers))
        .chain(named("command", &adds.commands))
        .chain(named("subagent", &adds.subagents))
        .collect()
}

/// A candidate is a plugin version that somebody wants installed or updated to.
///
/// Everything in it was read, nothing of it was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Candidate {
    /// The part of the manifest that source 002 keeps.
    pub manifest: ManifestSummary,
    /// What it declares.
    #[serde(default)]
    pub declared: Declaration,
    /// Where it was discovered.
    pub precedence: Precedence,
    /// How far its source is believed.
    #[serde(default)]
    pub trust: Trust,
    /// Where it shall apply.
    #[serde(default)]
    pub scope: Scope,
    /// Path of its source on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_path: Option<String>,
    /// What its tools say otherwise than the approved ones, in words, from whoever has both
    /// descriptions; without it only the tools are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_changes: Vec<String>,
    /// The operator's approval in the same step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Whether to enable it when the slot allows.
    pub enable: bool,
}

impl Candidate {
    /// Makes a candidate from a checked manifest: precedence user, trust community, scope
    /// everywhere, to be enabled when the slot allows, not approved.
    #[must_use]
    pub fn new(manifest: &Manifest, digest: Digest) -> Self {
        let mut summary = ManifestSummary::new(
            manifest.name().clone(),
            manifest.version().clone(),
            manifest.slot(),
        );
        summary.description = manifest.description().map(str::to_owned);
        summary.dependencies = manifest
            .dependencies()
            .iter()
            .map(Requirement::from)
            .collect();
        Self::of_summary(summary, Declaration::of(manifest, digest))
    }

    /// Makes a candidate from its parts, with the defaults of [`Candidate::new`].
    #[must_use]
    pub fn of_summary(manifest: ManifestSummary, declared: Declaration) -> Self {
        Self {
            manifest,
            declared,
            precedence: Precedence::User,
            trust: Trust::default(),
            scope: Scope::everywhere(),
            source_path: None,
            tool_changes: Vec::new(),
            approval: None,
            enable: true,
        }
    }

    /// Returns the plugin's id.
    #[must_use]
    pub fn plugin(&self) -> &PluginId {
        &self.manifest.name
    }

    /// Sets where it was discovered.
    #[must_use]
    pub fn with_precedence(mut self, precedence: Precedence) -> Self {
        self.precedence = precedence;
        self
    }

    /// Sets how far its source is believed.
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets where it shall apply.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the path of its source.
    #[must_use]
    pub fn with_source_path(mut self, path: impl Into<String>) -> Self {
        self.source_path = Some(path.into());
        self
    }

    /// Approves it in the same step.
    #[must_use]
    pub fn with_approval(mut self, approval: Approval) -> Self {
        self.approval = Some(approval);
        self
    }

    /// Says that the package brings something to run besides its runtime, an MCP server say.
    #[must_use]
    pub fn with_code(mut self) -> Self {
        self.declared.has_code = true;
        self
    }

    /// Adds requests that follow from the package rather than from its manifest.
    #[must_use]
    pub fn with_requests(mut self, more: impl IntoIterator<Item = CapabilityRequest>) -> Self {
        self.declared.requests.extend(more);
        self
    }

    /// Adds contributions that follow from the package, such as `skill:triage`.
    #[must_use]
    pub fn with_contributions(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.declared.contributions.extend(more);
        self
    }

    /// Pins the definitions of its tools.
    #[must_use]
    pub fn with_tool_pins(mut self, pins: BTreeMap<ToolName, Digest>) -> Self {
        self.declared.tool_pins = pins;
        self
    }

    /// Says in words how its tools differ from the approved ones.
    #[must_use]
    pub fn with_tool_changes(mut self, lines: Vec<String>) -> Self {
        self.tool_changes = lines;
        self
    }

    /// Leaves it disabled, whatever the slot allows.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enable = false;
        self
    }
}
