use keyway_plugin_api::{Args, tool};

struct Query {
    text: String,
}

/// Looks something up.
#[tool(effect = read)]
async fn look_up(Args(query): Args<Query>) -> String {
    query.text
}

fn main() {}
