use keyway_plugin_api::{Args, ToolInput, tool};

#[derive(ToolInput)]
struct One {}

/// Looks something up.
#[tool(effect = read)]
async fn look_up(_one: Args<One>, _two: Args<One>) {}

/// Mixes both ways to take arguments.
#[tool(effect = read)]
async fn mix(_one: Args<One>, #[arg] _two: String) {}

fn main() {}
