use keyway_plugin_api::{Args, tool};

/// Looks something up.
#[tool(title = "Look up")]
async fn look_up() -> String {
    String::new()
}

fn main() {
    // The tool exists all the same, so this line is no second error.
    let _ = LookUp;
    let _: Option<Args<()>> = None;
}
