//! What the command can run plugins with.

use std::path::Path;
use std::sync::Arc;

use keyway_host::runtime::PluginRuntime;
use keyway_process::{ProcessOptions, ProcessRuntime};

use crate::failure::Failure;

/// Folder of a state folder with the host's own copies of what it runs.
const PROGRAMS: &str = "programs";
/// Folder of a state folder with the scratch folders of MCP servers.
#[cfg(feature = "mcp")]
const SCRATCH: &str = "mcp-scratch";

/// Returns the runtimes that the command's host starts plugins with. A plugin of another kind is
/// reported as having none, and its siblings run.
pub(super) fn runtimes(dir: &Path) -> Result<Vec<Arc<dyn PluginRuntime>>, Failure> {
    let programs = dir.join(PROGRAMS);
    let process = ProcessRuntime::new(&programs, ProcessOptions::new()).map_err(|e| {
        let programs = programs.display();
        Failure::new(
            "PROGRAMS_FAILED",
            format_args!("cannot use {programs}: {e}"),
        )
    })?;
    let mut runtimes: Vec<Arc<dyn PluginRuntime>> = vec![Arc::new(process)];
    #[cfg(feature = "mcp")]
    runtimes.push(Arc::new(mcp(dir)));
    Ok(runtimes)
}

/// Local servers run in the jail; the level that was reached is shown and the policy asks for it.
#[cfg(feature = "mcp")]
fn mcp(dir: &Path) -> keyway_mcp::McpRuntime {
    let runtime = keyway_mcp::McpRuntime::new();
    let runtime = runtime.environment(|name| std::env::var(name).ok());
    #[cfg(unix)]
    let runtime = runtime.launcher(keyway_mcp::JailLauncher::new(dir.join(SCRATCH)));
    runtime
}
