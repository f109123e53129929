use keyway_plugin_api::tool;

/// Looks something up.
#[tool(efect = read, tilte = "Look up", colour = 3)]
fn look_up() {}

fn main() {}
