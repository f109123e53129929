use keyway_plugin_api::tool;

/// Looks something up.
#[tool]
fn look_up() {}

fn main() {}
