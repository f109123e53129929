use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect = raed)]
fn look_up() {}

/// Removes something.
#[tool(effect = "destructive")]
fn remove() {}

fn main() {}
