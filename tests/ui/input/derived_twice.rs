use keyway_plugin_api::ToolInput;
use serde::Deserialize;

#[derive(Deserialize, ToolInput)]
struct Search {
    query: String,
}

fn main() {}
