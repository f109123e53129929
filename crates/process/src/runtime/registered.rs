//! What a plugin registered, held against what it declares and against what it registered before.

use std::sync::Arc;

use keyway_channel::message::{HookRegistration, Registration};
use keyway_host::text;
use keyway_plugin_api::{Register, RegisterError, Staged, ToolDescriptor};

use super::proxy::{ProxyHook, ProxyTool};
use crate::ProcessError;
use crate::child::Order;

/// What a plugin registered; its tools share the descriptions.
#[derive(Default)]
pub(crate) struct Registered {
    tools: Vec<Arc<ToolDescriptor>>,
    hooks: Vec<HookRegistration>,
}

impl From<Registration> for Registered {
    fn from(told: Registration) -> Self {
        Self {
            tools: told.tools.into_iter().map(Arc::new).collect(),
            hooks: told.hooks,
        }
    }
}

impl Registered {
    /// Returns it as the plugin told it.
    pub(super) fn to_registration(&self) -> Registration {
        let tools = self.descriptors().cloned().collect();
        let hooks = self.hooks.clone();
        Registration { tools, hooks }
    }

    fn descriptors(&self) -> impl Iterator<Item = &ToolDescriptor> {
        self.tools.iter().map(Arc::as_ref)
    }
}

/// Makes the proxies of what a plugin registered, by the same rules as for linked plugins.
pub(super) fn stage(order: &Order, registered: &Registered) -> Result<Staged, RegisterError> {
    let launch = &order.launch;
    let mut ctx = Register::open(&launch.manifest, &launch.settings);
    for descriptor in &registered.tools {
        let (descriptor, shared) = (Arc::clone(descriptor), Arc::clone(&order.shared));
        ctx.tool(ProxyTool::new(descriptor, shared))?;
    }
    for hook in &registered.hooks {
        let proxy = ProxyHook::new(*hook, Arc::clone(&order.shared));
        ctx.hook(hook.point, hook.authority, proxy)?;
    }
    Ok(ctx.finish())
}

/// Accepts what a process registered: declared, and the same as every time before.
pub(crate) fn accept(order: &Order, told: Registration) -> Result<Arc<Registered>, ProcessError> {
    let now = Arc::new(Registered::from(told));
    drop(stage(order, &now)?);
    let approved = order.approved.get_or_init(|| Arc::clone(&now));
    let changed = differences(approved, &now);
    match changed.is_empty() {
        true => Ok(Arc::clone(approved)),
        false => Err(ProcessError::Drift { changed }),
    }
}

/// Says what differs, a line each.
fn differences(approved: &Registered, now: &Registered) -> Vec<String> {
    if approved.tools == now.tools && approved.hooks == now.hooks {
        return Vec::new();
    }
    let before: Vec<_> = approved.descriptors().collect();
    let after: Vec<_> = now.descriptors().collect();
    let mut changed = text::changes(&before, &after);
    if approved.hooks != now.hooks {
        changed.push("~ hooks".to_owned());
    }
    changed
}
