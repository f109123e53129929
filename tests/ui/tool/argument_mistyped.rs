use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect = read, title = 3, name, idempotent = "yes", crate = "keyway_plugin_api")]
fn look_up() {}

fn main() {}
