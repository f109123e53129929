use keyway_plugin_api::tools;

struct Notes;

#[tools]
impl Notes {
    /// Lists the notes.
    #[tool(effect = read)]
    fn list(&mut self) {}

    /// Makes notes.
    #[tool(effect = write)]
    fn make() {}

    #[tool]
    fn undocumented(&self) {}
}

fn main() {
    let _ = std::sync::Arc::new(Notes).tools();
}
