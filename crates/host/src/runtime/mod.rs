//! How plugins run: the trait a runtime implements, and the linked one.

mod linked;
mod supervision;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use keyway_plugin_api::{
    CallCx, Capability, Manifest, RegisterError, RegisteredHook, SecretValue, Staged, StartFailure,
    StateEntries, Tool, ToolName,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use linked::LinkedRuntime;
pub use supervision::{Failure, Supervision};

use crate::digest::Digest;
use crate::limits::Limits;
use crate::rank::Trust;

/// How firmly a runtime holds a plugin to its grants, weakest first. The order is meaning.
///
/// A host reports the level it reached and never claims more (settlement 27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three levels that policies compare"
)]
pub enum Enforcement {
    /// Only calls that go through the host are held; the code could do more by itself.
    Declared,
    /// The channel is held; the operating system holds some of the rest.
    Mediated,
    /// Nothing outside the grants can be done at all.
    Enforced,
}

impl std::fmt::Display for Enforcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Declared => "declared",
            Self::Mediated => "mediated",
            Self::Enforced => "enforced",
        })
    }
}

/// What a runtime needs to start a plugin: the approved definition and the operator's settings.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Launch {
    /// The approved manifest.
    pub manifest: Arc<Manifest>,
    /// Digest of the approved definition.
    pub digest: Digest,
    /// The operator's settings, valid against the manifest's settings schema.
    pub settings: Value,
    /// Where the package lies; `None` for a plugin that is not on disk.
    pub source_path: Option<PathBuf>,
    /// The host's limits.
    pub limits: Limits,
    /// How far the plugin's source is believed.
    pub trust: Trust,
    /// The least enforcement that the policy requires.
    pub required: Enforcement,
    /// What is granted now, for a runtime that confines; the gate decides on every effect anew.
    pub granted: Vec<Capability>,
    /// Digest of the grants, to bind a channel to.
    pub grants: Digest,
    /// Digest of the approved definitions of its tools, by name; `None` while none are known.
    pub tools: Option<Digest>,
    /// Granted secrets that the manifest wants in the environment.
    pub env: BTreeMap<String, SecretValue>,
    /// How the runtime tells the host what became of this instance.
    pub supervision: Supervision,
    /// Where the plugin's requests outside live calls go: the gate permits what was granted for
    /// background use, and refuses and records the rest.
    pub background: CallCx,
}

/// A plugin that started and is not yet visible.
#[non_exhaustive]
pub struct Started {
    /// Its tools.
    pub tools: Vec<Arc<dyn Tool>>,
    /// Its hooks.
    pub hooks: Vec<RegisteredHook>,
    /// The handle that stops it.
    pub instance: Arc<dyn RunningPlugin>,
    /// The level of enforcement that was reached.
    pub enforcement: Enforcement,
}

impl Started {
    /// Joins what was registered with the handle that stops it.
    #[must_use]
    pub fn new(staged: Staged, instance: Arc<dyn RunningPlugin>, enforcement: Enforcement) -> Self {
        Self {
            tools: staged.tools,
            hooks: staged.hooks,
            instance,
            enforcement,
        }
    }
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tools: Vec<_> = self.tools.iter().map(|t| &t.descriptor().name).collect();
        f.debug_struct("Started")
            .field("tools", &tools)
            .field("hooks", &self.hooks)
            .field("enforcement", &self.enforcement)
            .finish_non_exhaustive()
    }
}

/// Starts plugins of one kind.
///
/// Implemented by [`LinkedRuntime`] and by the runtime crates. Contract: `start` runs only for an
/// approved plugin, gives each stage of a start the time of [`Limits::start`], leaves nothing behind
/// when it fails or is given up on (the host drops the future after two such times), and never
/// makes a tool reachable by itself. A panic counts as a failed start.
#[async_trait]
pub trait PluginRuntime: Send + Sync + 'static {
    /// Tells whether this runtime starts plugins with such a manifest.
    fn supports(&self, manifest: &Manifest) -> bool;

    /// Starts a plugin.
    ///
    /// # Errors
    /// [`StartError`], whose stage says how far it got.
    async fn start(&self, launch: Launch) -> Result<Started, StartError>;
}

/// A plugin that runs.
#[async_trait]
pub trait RunningPlugin: Send + Sync + 'static {
    /// Stops the plugin. Called once; has the deadline of [`Limits::stop`].
    async fn stop(&self);

    /// Lets the plugin bring its state from an older layout to its own. Called before the instance
    /// is shown, with a copy of the state.
    ///
    /// # Errors
    /// The plugin's own reason; the old state stays.
    async fn migrate_state(
        &self,
        from: u32,
        entries: StateEntries,
    ) -> Result<StateEntries, StartFailure> {
        // A runtime that cannot ask its plugin keeps what there is.
        let _ = from;
        Ok(entries)
    }
}

/// Says why a plugin did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It accepts other versions of the plugin API than this host offers.
    #[error(transparent)]
    Api(#[from] keyway_plugin_api::IncompatibleApi),
    /// It registers other tools than were approved, or describes them otherwise.
    #[error("its tools are not the ones that were approved: {}", .changed.join("; "))]
    DefinitionChanged {
        /// What differs in which tool, a line each, safe to print.
        changed: Vec<String>,
        /// Digests of the definitions that it registers.
        pins: BTreeMap<ToolName, Digest>,
    },
    /// The runtime cannot reach the enforcement that the policy requires.
    #[error("{trust} plugins must be {required} and this runtime reaches {reached}")]
    Enforcement {
        /// The plugin's trust tier.
        trust: Trust,
        /// What the policy requires.
        required: Enforcement,
        /// What the runtime reaches.
        reached: Enforcement,
    },
    /// The plugin's own `start` failed.
    #[error("start failed: {reason}")]
    Failed {
        /// The plugin's words.
        reason: String,
    },
    /// It did not register what its manifest declares.
    #[error("declares but did not register: {}", missing.join(", "))]
    Incomplete {
        /// The missing contributions.
        missing: Vec<String>,
    },
    /// No runtime of this host starts such plugins.
    #[error("this host has no runtime for `{kind}` plugins")]
    NoRuntime {
        /// The kind that the manifest names.
        kind: String,
    },
    /// The code in this binary is not the version that was approved.
    #[error("the code of {plugin} in this binary is not the version that was approved")]
    NotApproved {
        /// The plugin.
        plugin: String,
    },
    /// A linked plugin's code is not in this binary.
    #[error("no code named `{plugin}` is linked into this binary: add `use the_crate as _;`")]
    NotLinked {
        /// The plugin.
        plugin: String,
    },
    /// The plugin panicked.
    #[error("panicked in {stage}: {message}")]
    Panicked {
        /// Where: `register` or `start`.
        stage: &'static str,
        /// The panic's text.
        message: String,
    },
    /// A plugin that runs outside the host was not reached: its process did not come to be, or its
    /// channel did not open.
    #[error("{problem}")]
    Process {
        /// The stable code of the problem.
        code: &'static str,
        /// Where: `spawn` or `handshake`.
        stage: &'static str,
        /// What happened, with the next step.
        problem: String,
    },
    /// `register` refused.
    #[error("register failed: {0}")]
    Register(#[from] RegisterError),
    /// The settings do not keep to the manifest's schema.
    #[error("settings are invalid: {problem}")]
    Settings {
        /// The first problem.
        problem: String,
    },
    /// Its state could not be brought to the layout that it works with.
    #[error("the state of {plugin} could not be brought to its layout: {reason}")]
    State {
        /// The plugin.
        plugin: String,
        /// Why.
        reason: String,
    },
    /// It took longer than the limit.
    #[error("{stage} took longer than {limit_ms} ms")]
    TimedOut {
        /// Where: `register` or `start`.
        stage: &'static str,
        /// The limit in milliseconds.
        limit_ms: u64,
    },
}

impl StartError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Api(_) => "API_INCOMPATIBLE",
            Self::DefinitionChanged { .. } => "DEFINITION_CHANGED",
            Self::Enforcement { .. } => "ENFORCEMENT_TOO_WEAK",
            Self::Failed { .. } => "START_FAILED",
            Self::Incomplete { .. } => "CONTRIBUTIONS_INCOMPLETE",
            Self::NoRuntime { .. } => "NO_RUNTIME",
            Self::NotApproved { .. } => "APPROVAL_PENDING",
            Self::NotLinked { .. } => "NOT_LINKED",
            Self::Panicked { .. } => "PLUGIN_PANICKED",
            Self::Process { code, .. } => code,
            Self::Register(error) => error.code(),
            Self::Settings { .. } => "SETTINGS_INVALID",
            Self::State { .. } => "STATE_LAYOUT",
            Self::TimedOut { .. } => "START_TIMED_OUT",
        }
    }

    /// Returns how far the plugin got: `runtime`, `register` or `start`.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        match self {
            Self::Api(_) => "api",
            Self::Enforcement { .. }
            | Self::NoRuntime { .. }
            | Self::NotApproved { .. }
            | Self::NotLinked { .. } => "runtime",
            Self::Panicked { stage, .. }
            | Self::Process { stage, .. }
            | Self::TimedOut { stage, .. } => stage,
            Self::Failed { .. } | Self::State { .. } => "start",
            Self::DefinitionChanged { .. }
            | Self::Incomplete { .. }
            | Self::Register(_)
            | Self::Settings { .. } => "register",
        }
    }
}
