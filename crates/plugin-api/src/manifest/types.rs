//! The checked form of a manifest. Only the parser makes one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::{Version, VersionReq};
use serde_json::Value;

use crate::{CapabilityRequest, HookPoint, PluginId, Risk, Slot, ToolName};

/// A manifest is what a plugin declares about itself, checked as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub(super) name: PluginId,
    pub(super) version: Version,
    pub(super) description: Option<String>,
    pub(super) api: Option<VersionReq>,
    pub(super) slot: Slot,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) risk: Risk,
    pub(super) runtime: Option<RuntimeSpec>,
    pub(super) capabilities: Vec<CapabilityRequest>,
    pub(super) contributes: Contributions,
    pub(super) state: Option<StateSpec>,
    pub(super) settings: Option<Value>,
    pub(super) activation: Activation,
    pub(super) source: Value,
}

impl Manifest {
    /// Returns the plugin's id.
    #[must_use]
    pub fn name(&self) -> &PluginId {
        &self.name
    }

    /// Returns the plugin's own version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Returns the description for people.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Returns the range of plugin API versions it works with.
    #[must_use]
    pub fn api(&self) -> Option<&VersionReq> {
        self.api.as_ref()
    }

    /// Returns the slot it targets.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Returns the plugins that must be installed and enabled first.
    #[must_use]
    pub fn dependencies(&self) -> &[Dependency] {
        &self.dependencies
    }

    /// Returns the risk: what the author claims, at least what the requests amount to.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.risk
    }

    /// Returns how the plugin runs; `None` for a package with nothing of its own to run.
    #[must_use]
    pub fn runtime(&self) -> Option<&RuntimeSpec> {
        self.runtime.as_ref()
    }

    /// Returns what it asks for, in the manifest's order.
    #[must_use]
    pub fn capabilities(&self) -> &[CapabilityRequest] {
        &self.capabilities
    }

    /// Returns what it adds.
    #[must_use]
    pub fn contributes(&self) -> &Contributions {
        &self.contributes
    }

    /// Returns whether and how it owns state.
    #[must_use]
    pub fn state(&self) -> Option<&StateSpec> {
        self.state.as_ref()
    }

    /// Returns the JSON Schema of its settings.
    #[must_use]
    pub fn settings(&self) -> Option<&Value> {
        self.settings.as_ref()
    }

    /// Returns what must be present on the machine.
    #[must_use]
    pub fn activation(&self) -> &Activation {
        &self.activation
    }

    /// Returns the whole document as it was read, unknown fields included.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Tells whether the manifest declares a tool of this name.
    #[must_use]
    pub fn declares_tool(&self, name: &ToolName) -> bool {
        self.contributes.tools.contains_key(name)
    }

    /// Tells whether the manifest declares hooks at a point.
    #[must_use]
    pub fn declares_hook(&self, point: HookPoint) -> bool {
        self.contributes.hooks.contains(&point)
    }
}

/// A dependency on another plugin: `name` or `name@range`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dependency {
    /// The plugin needed.
    pub name: PluginId,
    /// The versions that will do; any when `None`.
    pub version: Option<VersionReq>,
}

/// How a plugin runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeSpec {
    /// The kind of runtime.
    pub kind: RuntimeKind,
    /// The program or component, relative to the package.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where the server is, for an MCP server that is reached over HTTP.
    pub url: Option<String>,
    /// Whether two instances may run at once while it is reloaded.
    pub overlap: bool,
}

/// The kinds of runtime.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RuntimeKind {
    /// Compiled into the host binary.
    Linked,
    /// An MCP server: a child process with `command`, or a remote one with `url`.
    Mcp,
    /// A child process that speaks the channel.
    Process,
    /// A WASM component.
    Wasm,
}

impl RuntimeKind {
    /// Every kind, sorted by name.
    pub const ALL: [Self; 4] = [Self::Linked, Self::Mcp, Self::Process, Self::Wasm];

    /// Returns the name as manifests write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Mcp => "mcp",
            Self::Process => "process",
            Self::Wasm => "wasm",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a plugin adds, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contributions {
    /// Tools by name.
    pub tools: BTreeMap<ToolName, ToolContribution>,
    /// Points at which it has hooks.
    pub hooks: BTreeSet<HookPoint>,
    /// Providers by name.
    pub providers: BTreeSet<String>,
    /// Commands by name.
    pub commands: BTreeSet<String>,
    /// Subagents by name.
    pub subagents: BTreeSet<String>,
}

/// One declared tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolContribution {
    /// Whether the tool stays hidden until an operator allows it.
    pub optional: bool,
}

/// State that a plugin owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateSpec {
    /// Whether it owns state.
    pub owns: bool,
    /// Version of the state's layout.
    pub version: u32,
}

/// What must be present on the machine for the plugin to be of use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activation {
    /// Operating systems, as `std::env::consts::OS` names them; any when empty.
    pub os: BTreeSet<String>,
    /// Environment variables.
    pub env: BTreeSet<String>,
    /// Programs on the search path.
    pub bins: BTreeSet<String>,
}
