use keyway_plugin_api::ToolErrorCases;

#[derive(ToolErrorCases)]
enum SearchError {
    /// Nothing was found.
    #[case(kind = not_found)]
    Nothing,
}

fn main() {}
