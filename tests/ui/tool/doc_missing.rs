use keyway_plugin_api::tool;

#[tool(effect = read)]
fn look_up() {}

fn main() {}
