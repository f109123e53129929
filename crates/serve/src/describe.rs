//! `--describe`: what the plugin is, without a channel.

use keyway_channel::message::{HookRegistration, Registration};
use keyway_plugin_api::{Manifest, Plugin, Register, ToolDescriptor};
use serde::Serialize;
use serde_json::Value;

use crate::registered::{describe, stage};

#[derive(Serialize)]
struct Description<'a> {
    id: &'a str,
    version: String,
    api: Option<String>,
    api_built: String,
    tools: &'a [ToolDescriptor],
    hooks: &'a [HookRegistration],
}

/// Returns the description as JSON. Runs `register` with empty settings, and nothing else.
pub(crate) fn description(plugin: &dyn Plugin, manifest: &Manifest) -> Result<String, String> {
    let empty = Value::Object(serde_json::Map::new());
    let staged = stage(plugin, Register::open(manifest, &empty))?;
    let Registration { tools, hooks } = describe(&staged);
    let description = Description {
        id: manifest.name().as_str(),
        version: manifest.version().to_string(),
        api: manifest.api().map(ToString::to_string),
        api_built: keyway_plugin_api::plugin_api_version().to_string(),
        tools: &tools,
        hooks: &hooks,
    };
    serde_json::to_string_pretty(&description).map_err(|e| e.to_string())
}
