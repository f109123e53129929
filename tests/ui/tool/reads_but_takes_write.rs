use keyway_plugin_api::{FsWrite, tool};

type Disk = FsWrite;

/// Looks something up.
#[tool(effect = read)]
async fn look_up(_disk: Disk) {}

fn main() {}
