use std::cell::Cell;

use keyway_plugin_api::tools;

struct Notes(Cell<u8>);

#[tools]
impl Notes {
    /// Counts the notes.
    #[tool(effect = read)]
    fn count(&self) -> String {
        self.0.get().to_string()
    }
}

fn main() {}
