use keyway_plugin_api::{Args, ToolInput, tool};

#[derive(ToolInput)]
enum Action {
    Open,
    Close,
}

#[derive(ToolInput)]
struct Pair(u8, u8);

#[derive(ToolInput)]
struct Nothing;

#[derive(ToolInput)]
union Both {
    a: u8,
    b: i8,
}

/// Uses one of them; that they were refused is the only error.
#[tool(effect = read)]
fn act(_: Args<Action>) {}

fn main() {}
