//! The plugin trait and `register(ctx)`: contributions are staged, then committed as a whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{CallCx, Hook, HookAuthority, HookPoint, Manifest, Tool, ToolName};

/// A governed extension: one manifest, one `register`.
///
/// Contract: `manifest` is cheap and pure; `register` is synchronous, cheap, does no I/O and runs
/// only after an operator approved the manifest; `start` may do I/O and has a deadline; `stop`
/// is called exactly once for each successful `start`.
///
/// ```
/// use std::borrow::Cow;
/// use keyway_plugin_api::{Plugin, Register, RegisterError};
/// struct Quiet;
/// impl Plugin for Quiet {
///     fn manifest(&self) -> Cow<'static, str> {
///         r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
///              "name": "quiet", "version": "0.1.0" }"#.into()
///     }
///     fn register(&self, _ctx: &mut Register<'_>) -> Result<(), RegisterError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Plugin: Send + Sync + 'static {
    /// Returns the text of `plugin.json`, usually `include_str!("../plugin.json").into()`.
    fn manifest(&self) -> Cow<'static, str>;

    /// Adds the plugin's contributions.
    ///
    /// Nothing is visible until this returns `Ok` and the host agrees; an error or a panic drops
    /// the whole batch.
    ///
    /// # Errors
    /// [`RegisterError`]; `?` on every call of `ctx` gives the right one.
    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError>;

    /// Prepares the plugin for calls (source 002 calls this `initialize`).
    ///
    /// # Errors
    /// A text for the operator; the plugin is then failed, not the host.
    async fn start(&self) -> Result<(), StartFailure> {
        Ok(())
    }

    /// Brings the plugin's state from an older layout (`state.version` of the manifest) to this
    /// one's: gets every entry and gives back what is to be there instead. Runs before `start`,
    /// on a copy; where it fails the old version serves on with the old state.
    ///
    /// # Errors
    /// A text for the operator; nothing is changed then.
    async fn migrate_state(
        &self,
        _from: u32,
        entries: StateEntries,
    ) -> Result<StateEntries, StartFailure> {
        Ok(entries)
    }

    /// Lets go of what `start` took (source 002 calls this `teardown`).
    async fn stop(&self) {}
}

/// Every entry of a plugin's state, by key.
pub type StateEntries = BTreeMap<String, Vec<u8>>;

/// Says why a plugin could not start, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
#[expect(
    clippy::exhaustive_structs,
    reason = "a text and nothing else, made by authors"
)]
pub struct StartFailure(pub String);

/// Says why a contribution was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The same name was registered twice by one plugin.
    #[error("{what} is registered twice")]
    Duplicate {
        /// What was registered, for example ``tool `search` ``.
        what: String,
    },
    /// The plugin's own reason.
    #[error("{0}")]
    Failed(String),
    /// The settings do not fit the plugin's type.
    #[error("the settings do not fit: {problem}")]
    Settings {
        /// serde's explanation.
        problem: String,
    },
    /// The manifest does not declare it.
    #[error("{what} is not declared: add {add} to the manifest")]
    Undeclared {
        /// What was registered.
        what: String,
        /// The line to add.
        add: String,
    },
}

impl RegisterError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Duplicate { .. } => "REGISTERED_TWICE",
            Self::Failed(_) => "REGISTER_FAILED",
            Self::Settings { .. } => "SETTINGS_INVALID",
            Self::Undeclared { .. } => "UNDECLARED_CONTRIBUTION",
        }
    }
}

/// A hook with the point and authority it was registered for.
#[derive(Clone)]
#[non_exhaustive]
pub struct RegisteredHook {
    /// Where it runs.
    pub point: HookPoint,
    /// What it may do.
    pub authority: HookAuthority,
    /// The code.
    pub hook: Arc<dyn Hook>,
}

impl fmt::Debug for RegisteredHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredHook")
            .field("point", &self.point)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// The context that `register` adds contributions to. It cannot outlive the call.
pub struct Register<'a> {
    manifest: &'a Manifest,
    settings: &'a Value,
    background: Option<CallCx>,
    staged: Staged,
    tool_names: BTreeSet<ToolName>,
}

impl<'a> Register<'a> {
    /// Opens a batch for a plugin. For runtimes and test kits.
    #[must_use]
    pub fn open(manifest: &'a Manifest, settings: &'a Value) -> Self {
        Self {
            manifest,
            settings,
            background: None,
            staged: Staged::default(),
            tool_names: BTreeSet::new(),
        }
    }

    /// Sets what the plugin asks its host through outside calls. For runtimes and test kits.
    #[must_use]
    pub fn with_background(mut self, cx: CallCx) -> Self {
        self.background = Some(cx);
        self
    }

    /// Returns what the plugin asks its host through outside calls, for what it does by itself.
    ///
    /// The host refuses each request, unless the operator's grant says `background`. It ends with
    /// the plugin: [`CallCx::cancelled`] comes back then. Where the plugin only describes itself it
    /// has ended already.
    ///
    /// ```
    /// use std::borrow::Cow;
    /// use std::sync::Mutex;
    /// use keyway_plugin_api::{CallCx, Plugin, Register, RegisterError};
    ///
    /// #[derive(Default)]
    /// struct Feed { background: Mutex<Option<CallCx>> }
    ///
    /// impl Plugin for Feed {
    ///     fn manifest(&self) -> Cow<'static, str> {
    ///         r#"{ "name": "feed", "version": "0.1.0" }"#.into()
    ///     }
    ///     fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
    ///         // The task that `start` spawns asks through it; each start has one of its own.
    ///         let kept = self.background.lock();
    ///         *kept.map_err(|e| RegisterError::Failed(e.to_string()))? = Some(ctx.background());
    ///         Ok(())
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn background(&self) -> CallCx {
        let ended = || CallCx::ended(self.manifest.name());
        self.background.clone().unwrap_or_else(ended)
    }

    /// Returns the manifest that the operator approved.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.manifest
    }

    /// Parses the operator's settings for this plugin; they already keep to the manifest's
    /// settings schema.
    ///
    /// # Errors
    /// [`RegisterError::Settings`].
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, RegisterError> {
        T::deserialize(self.settings).map_err(|e| RegisterError::Settings {
            problem: e.to_string(),
        })
    }

    /// Adds a tool.
    ///
    /// # Errors
    /// [`RegisterError::Undeclared`] when the manifest's `contributes.tools` lacks its name,
    /// [`RegisterError::Duplicate`] when it is already there.
    pub fn tool(&mut self, tool: impl Tool) -> Result<&mut Self, RegisterError> {
        self.shared_tool(Arc::new(tool))
    }

    /// Adds several tools, for example those of one `#[tools] impl`.
    ///
    /// # Errors
    /// As [`Register::tool`], at the first tool that is refused.
    pub fn tools(
        &mut self,
        tools: impl IntoIterator<Item = Arc<dyn Tool>>,
    ) -> Result<&mut Self, RegisterError> {
        for tool in tools {
            self.shared_tool(tool)?;
        }
        Ok(self)
    }

    fn shared_tool(&mut self, tool: Arc<dyn Tool>) -> Result<&mut Self, RegisterError> {
        let name = tool.descriptor().name.clone();
        if !self.manifest.declares_tool(&name) {
            return Err(RegisterError::Undeclared {
                what: format!("tool `{name}`"),
                add: format!("\"{name}\" in contributes.tools"),
            });
        }
        if !self.tool_names.insert(name.clone()) {
            return Err(RegisterError::Duplicate {
                what: format!("tool `{name}`"),
            });
        }
        self.staged.tools.push(tool);
        Ok(self)
    }

    /// Adds a hook at a point, with no more authority than it needs.
    ///
    /// # Errors
    /// [`RegisterError::Undeclared`] when the manifest's `contributes.hooks` lacks the point.
    pub fn hook(
        &mut self,
        point: HookPoint,
        authority: HookAuthority,
        hook: impl Hook,
    ) -> Result<&mut Self, RegisterError> {
        if !self.manifest.declares_hook(point) {
            return Err(RegisterError::Undeclared {
                what: format!("hook `{point}`"),
                add: format!("\"{point}\" in contributes.hooks"),
            });
        }
        let hook: Arc<dyn Hook> = Arc::new(hook);
        self.staged.hooks.push(RegisteredHook {
            point,
            authority,
            hook,
        });
        Ok(self)
    }

    /// Closes the batch. For runtimes and test kits.
    #[must_use]
    pub fn finish(self) -> Staged {
        self.staged
    }
}

impl fmt::Debug for Register<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register")
            .field("staged", &self.staged)
            .finish_non_exhaustive()
    }
}

/// Contributions that were registered and are not yet visible.
#[derive(Default)]
#[non_exhaustive]
pub struct Staged {
    /// Tools, in the order they were added.
    pub tools: Vec<Arc<dyn Tool>>,
    /// Hooks, in the order they were added.
    pub hooks: Vec<RegisteredHook>,
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools: Vec<_> = self.tools.iter().map(|t| &t.descriptor().name).collect();
        f.debug_struct("Staged")
            .field("tools", &tools)
            .field("hooks", &self.hooks)
            .finish()
    }
}
