use keyway_plugin_api::ToolErrorCases;

#[derive(ToolErrorCases)]
struct SearchError;

fn main() {}
