use keyway_plugin_api::tool;

struct Hits;

/// Looks something up.
#[tool(effect = read)]
async fn look_up() -> Hits {
    Hits
}

fn main() {}
