#![doc = include_str!("../README.md")]

// The derive writes absolute paths; this lets it be used inside this crate too.
extern crate self as keyway_plugin_api;

mod capability;
mod compat;
mod context;
mod denial;
mod describe;
mod descriptor;
mod effect;
mod extract;
mod hook;
mod id;
#[cfg(feature = "linked")]
mod linked;
mod manifest;
mod need;
mod normalise;
mod numbers;
mod output;
mod plugin;
mod slot;
mod strict;
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
pub use effect::{EffectReply, EffectRequest, FileStat, HttpResponse, LogLevel, SecretValue};
pub use extract::{
    Args, FromCall, FsRead, FsWrite, Hosts, HttpRequest, Log, Net, Progress, Secret, SecretName,
    State, ToolInput, Tools,
};
pub use hook::{Hook, HookAuthority, HookEvent, HookPoint, HookVerdict};
pub use id::{AgentId, NAME_MAX, NameError, PluginId, ToolId, ToolName};
#[cfg(feature = "linked")]
pub use linked::{LinkedPlugin, linked_plugins};
pub use manifest::{
    Activation, Contributions, Dependency, Manifest, ManifestError, Notice, Problem, RuntimeKind,
    RuntimeSpec, StateSpec, ToolContribution,
};
pub use need::{ConstNeed, Need, assert_effect_allows};
pub use normalise::{SchemaProblem, normalise_input, normalise_output};
pub use output::{IntoOutput, Json, ToolErrorCases};
pub use plugin::{
    Plugin, Register, RegisterError, RegisteredHook, Staged, StartFailure, StateEntries,
};
pub use slot::Slot;
pub use tool::{Arguments, Content, Tool, ToolError, ToolErrorKind, ToolOutput};

#[doc = include_str!("../docs/tool_error_cases.md")]
pub use keyway_derive::ToolErrorCases;
#[doc = include_str!("../docs/tool_input.md")]
pub use keyway_derive::ToolInput;
#[doc = include_str!("../docs/tool_value.md")]
pub use keyway_derive::ToolValue;
#[doc = include_str!("../docs/tool.md")]
pub use keyway_derive::tool;
#[doc = include_str!("../docs/tools.md")]
pub use keyway_derive::tools;

// Authors need no dependency of their own to write derives and JSON.
pub use schemars;
pub use serde;
pub use serde_json;

/// What the macros of this crate name; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::describe::{
        Parameter, ToolSpec, check_effect, expect_no_arguments, takes_arguments,
    };
    pub use crate::id::ConstToolName;
    pub use crate::strict::{EnumOnly, MapOnly};
    #[cfg(feature = "linked")]
    pub use inventory;
}
