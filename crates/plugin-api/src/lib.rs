//! What a keyway plugin author names.

// The derive writes absolute paths; this lets it be used inside this crate too.
extern crate self as keyway_plugin_api;

mod capability;
mod compat;
mod context;
mod denial;
mod descriptor;
mod effect;
mod hook;
mod id;
#[cfg(feature = "linked")]
mod linked;
mod manifest;
mod need;
mod plugin;
mod slot;
mod tool;

pub use async_trait::async_trait;
pub use capability::{
    Capability, CapabilityRequest, NeedsDiff, Risk, Selector, SurfaceVerb, TagError,
    is_reserved_env,
};
pub use compat::{IncompatibleApi, check_api, plugin_api_version};
pub use context::{CallCx, CallGuard, CallInfo, HostServices};
pub use denial::{Denial, DenialReason};
pub use descriptor::{Effect, ErrorCase, ToolDescriptor};
pub use effect::{EffectReply, EffectRequest, FileStat, LogLevel, SecretValue};
pub use hook::{Hook, HookAuthority, HookEvent, HookPoint, HookVerdict};
pub use id::{AgentId, NAME_MAX, NameError, PluginId, ToolId, ToolName};
#[cfg(feature = "linked")]
pub use linked::{LinkedPlugin, linked_plugins};
pub use manifest::{
    Activation, Contributions, Dependency, Manifest, ManifestError, Notice, Problem, RuntimeKind,
    RuntimeSpec, StateSpec, ToolContribution,
};
pub use need::{ConstNeed, Need, assert_effect_allows};
pub use plugin::{Plugin, Register, RegisterError, RegisteredHook, Staged, StartFailure};
pub use slot::Slot;
pub use tool::{Arguments, Content, Tool, ToolError, ToolErrorKind, ToolOutput};

/// What the macros of this crate name; not for use by hand.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "linked")]
    pub use inventory;
    pub use schemars;
    pub use serde;
    pub use serde_json;
}
