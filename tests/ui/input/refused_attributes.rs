use keyway_plugin_api::{ToolInput, ToolValue};

#[derive(ToolInput)]
#[serde(default, from = "String")]
struct Search {
    #[serde(alias = "q")]
    query: String,
    #[serde(flatten)]
    page: Page,
}

#[derive(ToolValue)]
#[serde(transparent)]
struct Page {
    number: u32,
}

fn main() {}
