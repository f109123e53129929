//! What the plugin registered.

use std::collections::HashMap;
use std::sync::Arc;

use keyway_channel::message::{HookRegistration, Registration, RpcError};
use keyway_plugin_api::{CallCx, Manifest, Plugin, Register, RegisteredHook, Staged, Tool};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::panics;

/// Tools by name and hooks by number.
pub(crate) struct Registered {
    tools: HashMap<String, Arc<dyn Tool>>,
    hooks: Vec<RegisteredHook>,
}

impl Registered {
    pub(crate) fn tool(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.tools.get(name).map(Arc::clone)
    }

    pub(crate) fn hook(&self, id: u32) -> Option<RegisteredHook> {
        self.hooks.get(usize::try_from(id).ok()?).cloned()
    }
}

/// Runs the plugin's `register` for a host that brings the approved manifest and the settings.
pub(crate) fn register(
    plugin: &dyn Plugin,
    own: &Manifest,
    (manifest, settings): (&RawValue, &RawValue),
    background: CallCx,
) -> Result<(Registered, Registration), RpcError> {
    let approved: Value = serde_json::from_str(manifest.get()).map_err(unfit)?;
    if approved != *own.source() {
        return Err(RpcError::reason(
            "the approved plugin.json is not the one that this program was built with: \
             rebuild the program or approve its own manifest",
        ));
    }
    let settings: Value = serde_json::from_str(settings.get()).map_err(unfit)?;
    let ctx = Register::open(own, &settings).with_background(background);
    let staged = stage(plugin, ctx).map_err(RpcError::reason)?;
    let registration = describe(&staged);
    let tools = staged.tools.into_iter();
    let tools = tools.map(|tool| (tool.descriptor().name.to_string(), tool));
    let registered = Registered {
        tools: tools.collect(),
        hooks: staged.hooks,
    };
    Ok((registered, registration))
}

/// Runs the plugin's `register`; a refusal or a panic becomes words.
pub(crate) fn stage(plugin: &dyn Plugin, mut ctx: Register<'_>) -> Result<Staged, String> {
    match panics::catch(|| plugin.register(&mut ctx)) {
        Ok(Ok(())) => Ok(ctx.finish()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(format!("register panicked: {panic}")),
    }
}

/// Writes down what was staged.
pub(crate) fn describe(staged: &Staged) -> Registration {
    let tools = staged.tools.iter().map(|tool| tool.descriptor().clone());
    let hooks = (0..).zip(&staged.hooks).map(|(id, hook)| HookRegistration {
        id,
        point: hook.point,
        authority: hook.authority,
    });
    Registration {
        tools: tools.collect(),
        hooks: hooks.collect(),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape `map_err` asks for"
)]
fn unfit(error: serde_json::Error) -> RpcError {
    RpcError::reason(format!("what the host sent is not JSON: {error}"))
}
