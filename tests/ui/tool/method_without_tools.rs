use keyway_plugin_api::tool;

struct Notes;

impl Notes {
    /// Lists the notes.
    #[tool(effect = read)]
    fn list(&self) {}
}

fn main() {
    Notes.list();
}
