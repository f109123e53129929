use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect = read, title = "a", effect = write, title = "b")]
fn look_up() {}

fn main() {}
