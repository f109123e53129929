use keyway_plugin_api::tools;

struct Notes;

#[tools(effect = read)]
impl Notes {
    /// Lists the notes.
    #[tool(effect = read)]
    fn list(&self) {}
}

fn main() {}
