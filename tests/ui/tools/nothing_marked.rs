use keyway_plugin_api::tools;

struct Notes;

#[tools]
impl Notes {
    fn list(&self) {}
}

fn main() {
    Notes.list();
}
