//! What the command can run plugins with.

use std::sync::Arc;

use keyway_host::runtime::PluginRuntime;

/// Returns the runtimes that the command's host starts plugins with. A plugin of another kind is
/// reported as having none, and its siblings run.
pub(super) fn runtimes() -> Vec<Arc<dyn PluginRuntime>> {
    Vec::new()
}
