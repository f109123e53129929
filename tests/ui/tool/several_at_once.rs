use keyway_plugin_api::tool;

#[tool(efect = read)]
unsafe fn look_up<T>(_value: impl Into<T>) -> impl ToString {
    String::new()
}

fn main() {}
