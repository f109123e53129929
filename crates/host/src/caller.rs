//! On whose behalf a tool is called.

use std::fmt;
use std::sync::Arc;

use keyway_plugin_api::PluginId;
use serde::{Deserialize, Serialize};

use crate::scope::Scope;

/// What kind of party makes a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// A model proposed the call; the default, and the least believed.
    Model,
    /// A human asked for exactly this call.
    Operator,
    /// A plugin called a tool through its host.
    Plugin(PluginId),
}

/// A caller is where a call comes from: a scope and an origin.
///
/// ```
/// use keyway_host::caller::Caller;
/// let caller = Caller::agent("acme/support/triage".parse()?);
/// assert_eq!(caller.to_string(), "acme/support/triage");
/// # Ok::<(), keyway_plugin_api::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    scope: Scope,
    origin: Origin,
    shown: Arc<str>,
}

impl Caller {
    /// Makes the caller for an agent whose model proposes calls.
    #[must_use]
    pub fn agent(scope: Scope) -> Self {
        Self::new(scope, Origin::Model)
    }

    /// Makes a caller.
    #[must_use]
    pub fn new(scope: Scope, origin: Origin) -> Self {
        let shown = match &origin {
            Origin::Model => scope.to_string(),
            Origin::Operator => format!("{scope} (operator)"),
            Origin::Plugin(plugin) => format!("{scope} via {plugin}"),
        };
        Self {
            scope,
            origin,
            shown: shown.into(),
        }
    }

    /// Returns the scope it stands at.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns what kind of party it is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the caller as text, shared.
    #[must_use]
    pub fn shown(&self) -> &Arc<str> {
        &self.shown
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}
