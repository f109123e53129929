//! What a plugin registered, held against what it declares and against what it registered before.

use std::sync::Arc;

use keyway_channel::message::Registration;
use keyway_host::text;
use keyway_plugin_api::{Register, RegisterError, Staged};

use super::proxy::{ProxyHook, ProxyTool};
use crate::ProcessError;
use crate::child::Order;

/// Makes the proxies of what a plugin registered, by the same rules as for linked plugins.
pub(super) fn stage(order: &Order, registration: &Registration) -> Result<Staged, RegisterError> {
    let launch = &order.launch;
    let mut ctx = Register::open(&launch.manifest, &launch.settings);
    for descriptor in &registration.tools {
        ctx.tool(ProxyTool::new(
            descriptor.clone(),
            Arc::clone(&order.shared),
        ))?;
    }
    for hook in &registration.hooks {
        let proxy = ProxyHook::new(*hook, Arc::clone(&order.shared));
        ctx.hook(hook.point, hook.authority, proxy)?;
    }
    Ok(ctx.finish())
}

/// Accepts what a process registered: declared, and the same as every time before.
pub(crate) fn accept(order: &Order, registration: &Registration) -> Result<(), ProcessError> {
    drop(stage(order, registration)?);
    let approved = order.approved.get_or_init(|| registration.clone());
    let changed = differences(approved, registration);
    match changed.is_empty() {
        true => Ok(()),
        false => Err(ProcessError::Drift { changed }),
    }
}

/// Says what differs, a line each.
fn differences(approved: &Registration, now: &Registration) -> Vec<String> {
    let before: Vec<_> = approved.tools.iter().collect();
    let after: Vec<_> = now.tools.iter().collect();
    let mut changed = text::changes(&before, &after);
    if approved.hooks != now.hooks {
        changed.push("~ hooks".to_owned());
    }
    changed
}
