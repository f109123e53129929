use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect: read)]
fn look_up() {}

fn main() {}
