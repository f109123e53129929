use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect = read)]
struct LookUp;

fn main() {}
