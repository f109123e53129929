use keyway_plugin_api::tools;

struct Notes<T>(T);

#[tools]
impl<T> Notes<T> {
    /// Lists the notes.
    #[tool(effect = read)]
    fn list(&self) {}
}

trait Listing {
    fn list_all(&self);
}

#[tools]
impl Listing for u8 {
    /// Lists everything.
    #[tool(effect = read)]
    fn list_all(&self) {}
}

#[tools]
fn free() {}

fn main() {}
