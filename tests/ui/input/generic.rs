use keyway_plugin_api::ToolInput;

#[derive(ToolInput)]
struct Page<T> {
    items: Vec<T>,
}

fn main() {}
