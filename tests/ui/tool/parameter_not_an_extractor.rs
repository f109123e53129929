use keyway_plugin_api::tool;

/// Looks something up.
#[tool(effect = read)]
async fn look_up(query: String) -> String {
    query
}

fn main() {}
