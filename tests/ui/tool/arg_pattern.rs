use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect = read)]
fn look_up(#[arg] (_a, _b): (String, String), #[arg(x)] _c: u8) {}

fn main() {}
