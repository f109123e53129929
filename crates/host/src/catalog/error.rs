//! Why the catalog refused.

use std::fmt::Write as _;

use keyway_plugin_api::PluginId;

use super::plan::SlotCollision;
use crate::operator::OperatorId;
use crate::store::StoreError;

/// Says why an operation was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The manifest is missing required fields or has invalid values.
    #[error("manifest of {} is invalid: {}", shown(plugin.as_ref()), problems.join("; "))]
    ManifestInvalid {
        /// The plugin, where its name could be read.
        plugin: Option<PluginId>,
        /// Every problem, each with its path, in a stable order.
        problems: Vec<String>,
    },
    /// No such plugin is installed.
    #[error("{plugin} is not installed")]
    NotFound {
        /// The plugin.
        plugin: PluginId,
    },
    /// A plugin of this name is installed already.
    #[error("{plugin} is already installed")]
    AlreadyInstalled {
        /// The plugin.
        plugin: PluginId,
    },
    /// The name cannot be told from that of an installed plugin.
    #[error("{plugin} cannot be told from the installed plugin {installed} by eye")]
    NameConfusable {
        /// The plugin.
        plugin: PluginId,
        /// The one that is installed.
        installed: PluginId,
    },
    /// A plugin of the same or a higher precedence holds the slot.
    #[error(
        "slot {} is held by {} ({}), which {} ({}) does not outrank",
        collision.slot,
        collision.incumbent_id,
        collision.incumbent_precedence,
        collision.challenger_id,
        collision.challenger_precedence
    )]
    SlotOccupied {
        /// Who wants the slot and who holds it.
        collision: Box<SlotCollision>,
    },
    /// Plugins that it needs are absent, disabled or of a wrong version.
    #[error("{plugin} needs {}", missing.join(", "))]
    DependencyMissing {
        /// The plugin.
        plugin: PluginId,
        /// What is missing and how, one line each.
        missing: Vec<String>,
    },
    /// Plugins would need each other in a circle.
    #[error("{} need each other", path.iter().map(PluginId::as_str).collect::<Vec<_>>().join(" -> "))]
    DependencyCycle {
        /// The circle, beginning and ending with the same plugin.
        path: Vec<PluginId>,
    },
    /// Enabled plugins need it.
    #[error("{plugin} is needed by {}", dependents.iter().map(PluginId::as_str).collect::<Vec<_>>().join(", "))]
    HasDependents {
        /// The plugin.
        plugin: PluginId,
        /// Those that need it, nearest first.
        dependents: Vec<PluginId>,
    },
    /// It is enabled already.
    #[error("{plugin} is already enabled")]
    AlreadyEnabled {
        /// The plugin.
        plugin: PluginId,
    },
    /// It is disabled already.
    #[error("{plugin} is already disabled")]
    AlreadyDisabled {
        /// The plugin.
        plugin: PluginId,
    },
    /// It is not enabled.
    #[error("{plugin} is not enabled")]
    NotEnabled {
        /// The plugin.
        plugin: PluginId,
    },
    /// A reload failed; the old instance goes on.
    #[error("reload of {plugin} failed at {stage}: {reason}")]
    ReloadFailed {
        /// The plugin.
        plugin: PluginId,
        /// How far it got.
        stage: ReloadStage,
        /// Why.
        reason: String,
    },
    /// An operator has to look at it first.
    #[error("{plugin} waits for approval")]
    ApprovalPending {
        /// The plugin.
        plugin: PluginId,
    },
    /// The plugin is not what the operator looked at.
    #[error("{plugin} is not what was looked at: unexpected {found}, expected {expected}")]
    ApprovalStale {
        /// The plugin.
        plugin: PluginId,
        /// Digest that was looked at.
        expected: String,
        /// Digest that is there.
        found: String,
    },
    /// An operator denied it, or a capability that it cannot do without.
    #[error("{plugin} is denied: {reason}")]
    CapabilityDenied {
        /// The plugin.
        plugin: PluginId,
        /// What was denied, or why.
        reason: String,
    },
    /// An operator ended it for good.
    #[error("{plugin} was revoked by {by}: {reason}")]
    Revoked {
        /// The plugin.
        plugin: PluginId,
        /// Who revoked it.
        by: OperatorId,
        /// Why.
        reason: String,
    },
    /// It is not revoked.
    #[error("{plugin} is not revoked")]
    NotRevoked {
        /// The plugin.
        plugin: PluginId,
    },
    /// It accepts other versions of the plugin API than the host offers.
    #[error("{plugin} needs plugin API {required}, this host offers {offered}")]
    ApiIncompatible {
        /// The plugin.
        plugin: PluginId,
        /// The range it accepts.
        required: String,
        /// The version the host offers.
        offered: String,
    },
    /// None of its requests, grants or optional tools carries this tag.
    #[error("{plugin} has nothing tagged `{tag}`{}", available(tags))]
    UnknownTag {
        /// The plugin.
        plugin: PluginId,
        /// The tag, escaped.
        tag: String,
        /// The tags there are.
        tags: Vec<String>,
    },
    /// Its manifest has no schema of settings.
    #[error("{plugin} has no settings")]
    NoSettings {
        /// The plugin.
        plugin: PluginId,
    },
    /// The settings do not keep to the schema in the plugin's manifest.
    #[error("settings of {plugin} are invalid: {problem}")]
    SettingsInvalid {
        /// The plugin.
        plugin: PluginId,
        /// What is wrong with which of them.
        problem: String,
    },
    /// It owns state, and nobody said what shall become of it.
    #[error("{plugin} owns state, and nothing says what shall become of it")]
    StateUndecided {
        /// The plugin.
        plugin: PluginId,
    },
    /// No such proposal, call or rule.
    #[error("there is no {what} `{id}`")]
    NoSuch {
        /// What was looked for.
        what: &'static str,
        /// Its id, escaped.
        id: String,
    },
    /// There is too much of something.
    #[error("{what} is refused: unexpected {found}, expected at most {limit}")]
    TooMuch {
        /// What is too long or too many.
        what: &'static str,
        /// How much.
        found: usize,
        /// How much is accepted.
        limit: usize,
    },
    /// The catalog changed since the plan was made.
    #[error("the catalog changed: unexpected revision {found}, expected {expected}")]
    Conflict {
        /// The revision that the plan was made on.
        expected: u64,
        /// The revision there is.
        found: u64,
    },
    /// The store failed; the change did not happen.
    #[error(transparent)]
    Store(StoreError),
}

/// How far a reload got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReloadStage {
    /// Its source or its manifest could not be read.
    Read,
    /// Its manifest is invalid or names another plugin.
    Validate,
    /// Its needs cannot be met.
    Resolve,
    /// The new instance did not come up.
    Initialize,
    /// The catalog could not be written.
    Commit,
}

impl ReloadStage {
    /// Returns the word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Validate => "validate",
            Self::Resolve => "resolve",
            Self::Initialize => "initialize",
            Self::Commit => "commit",
        }
    }
}

impl std::fmt::Display for ReloadStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

fn shown(plugin: Option<&PluginId>) -> &str {
    plugin.map_or("the plugin", PluginId::as_str)
}

fn available(tags: &[String]) -> String {
    let mut text = String::new();
    if !tags.is_empty() {
        let _ = write!(text, "; there are {}", tags.join(", "));
    }
    text
}

impl CatalogError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ManifestInvalid { .. } => "MANIFEST_INVALID",
            Self::NotFound { .. } => "PLUGIN_NOT_FOUND",
            Self::AlreadyInstalled { .. } => "ALREADY_INSTALLED",
            Self::NameConfusable { .. } => "NAME_CONFUSABLE",
            Self::SlotOccupied { .. } => "SLOT_OCCUPIED",
            Self::DependencyMissing { .. } => "DEPENDENCY_MISSING",
            Self::DependencyCycle { .. } => "DEPENDENCY_CYCLE",
            Self::HasDependents { .. } => "HAS_DEPENDENTS",
            Self::AlreadyEnabled { .. } => "ALREADY_ENABLED",
            Self::AlreadyDisabled { .. } => "ALREADY_DISABLED",
            Self::NotEnabled { .. } => "NOT_ENABLED",
            Self::ReloadFailed { .. } => "RELOAD_FAILED",
            Self::ApprovalPending { .. } => "APPROVAL_PENDING",
            Self::ApprovalStale { .. } => "APPROVAL_STALE",
            Self::CapabilityDenied { .. } => "CAPABILITY_DENIED",
            Self::Revoked { .. } => "REVOKED",
            Self::NotRevoked { .. } => "NOT_REVOKED",
            Self::ApiIncompatible { .. } => "API_INCOMPATIBLE",
            Self::UnknownTag { .. } => "UNKNOWN_TAG",
            Self::NoSettings { .. } => "NO_SETTINGS",
            Self::SettingsInvalid { .. } => "SETTINGS_INVALID",
            Self::StateUndecided { .. } => "STATE_UNDECIDED",
            Self::NoSuch { .. } => "NOT_FOUND",
            Self::TooMuch { .. } => "LIMIT_EXCEEDED",
            Self::Conflict { .. } => "CONFLICT",
            Self::Store(error) => error.code(),
        }
    }

    /// Returns the plugin that the operation was about.
    #[must_use]
    pub fn plugin_id(&self) -> Option<&PluginId> {
        match self {
            Self::NotFound { plugin }
            | Self::AlreadyInstalled { plugin }
            | Self::NameConfusable { plugin, .. }
            | Self::DependencyMissing { plugin, .. }
            | Self::HasDependents { plugin, .. }
            | Self::AlreadyEnabled { plugin }
            | Self::AlreadyDisabled { plugin }
            | Self::NotEnabled { plugin }
            | Self::ReloadFailed { plugin, .. }
            | Self::ApprovalPending { plugin }
            | Self::ApprovalStale { plugin, .. }
            | Self::CapabilityDenied { plugin, .. }
            | Self::Revoked { plugin, .. }
            | Self::NotRevoked { plugin }
            | Self::ApiIncompatible { plugin, .. }
            | Self::UnknownTag { plugin, .. }
            | Self::NoSettings { plugin }
            | Self::SettingsInvalid { plugin, .. }
            | Self::StateUndecided { plugin } => Some(plugin),
            Self::SlotOccupied { collision } => Some(&collision.challenger_id),
            Self::ManifestInvalid { plugin, .. } => plugin.as_ref(),
            Self::DependencyCycle { path } => path.first(),
            Self::NoSuch { .. } | Self::TooMuch { .. } | Self::Conflict { .. } | Self::Store(_) => {
                None
            }
        }
    }

    /// Returns what to do next, one command or sentence each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::ManifestInvalid { .. } => vec!["keyway check PATH".to_owned()],
            Self::NotFound { .. } => vec!["keyway plugin list".to_owned()],
            Self::AlreadyInstalled { plugin } => vec![
                format!("keyway plugin reload {plugin}"),
                format!("keyway plugin uninstall {plugin}"),
            ],
            Self::NameConfusable { installed, .. } => vec![
                "give the plugin another name".to_owned(),
                format!("keyway plugin uninstall {installed}"),
            ],
            Self::SlotOccupied { collision } => vec![
                format!("keyway plugin disable {}", collision.incumbent_id),
                format!("keyway plugin enable {}", collision.challenger_id),
            ],
            Self::DependencyMissing { missing, .. } => missing.iter().map(|m| repair(m)).collect(),
            Self::DependencyCycle { .. } => {
                vec!["take one of the plugins out of `dependencies`".to_owned()]
            }
            Self::HasDependents { plugin, .. } => vec![
                format!("keyway plugin disable {plugin} --cascade"),
                format!("keyway plugin uninstall {plugin} --cascade"),
            ],
            Self::AlreadyEnabled { plugin } => vec![format!("keyway plugin reload {plugin}")],
            Self::AlreadyDisabled { plugin } | Self::NotEnabled { plugin } => {
                vec![format!("keyway plugin enable {plugin}")]
            }
            Self::ReloadFailed { plugin, .. } => vec![format!("keyway plugin info {plugin}")],
            Self::ApprovalPending { plugin } | Self::CapabilityDenied { plugin, .. } => vec![
                format!("keyway plugin info {plugin}"),
                format!("keyway plugin approve {plugin}"),
            ],
            Self::ApprovalStale { plugin, .. }
            | Self::NoSettings { plugin }
            | Self::SettingsInvalid { plugin, .. } => vec![format!("keyway plugin info {plugin}")],
            Self::Revoked { plugin, .. } => {
                vec![format!("keyway plugin clear-revocation {plugin}")]
            }
            Self::NotRevoked { plugin } | Self::UnknownTag { plugin, .. } => {
                vec![format!("keyway plugin info {plugin}")]
            }
            Self::ApiIncompatible { plugin, .. } => {
                vec![format!("upgrade {plugin} or the host, whichever is behind")]
            }
            Self::StateUndecided { plugin } => vec![
                format!("keyway plugin uninstall {plugin} --export-state FILE"),
                format!("keyway plugin uninstall {plugin} --discard-state"),
            ],
            Self::NoSuch { .. } | Self::TooMuch { .. } => Vec::new(),
            Self::Conflict { .. } => vec!["run the command again".to_owned()],
            Self::Store(error) => error.hints(),
        }
    }
}

/// The lines of a missing dependency begin with the plugin's name.
fn repair(missing: &str) -> String {
    let name = missing.split([' ', '@']).next().unwrap_or(missing);
    if missing.ends_with("(disabled)") {
        format!("keyway plugin enable {name}")
    } else if missing.ends_with("(not installed)") {
        format!("keyway plugin install {name}")
    } else {
        format!("keyway plugin info {name}")
    }
}
