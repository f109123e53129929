use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect = read, name = "look up")]
fn look_up() {}

/// Has a name that no model API takes.
#[tool(effect = read)]
fn _hidden() {}

fn main() {}
