use keyway_plugin_api::ToolInput;

#[derive(ToolInput)]
#[tool_input(flatten_tag = "action")]
struct Search {
    query: String,
}

#[derive(ToolInput)]
#[tool_input]
struct Find {
    query: String,
}

fn main() {}
