use keyway_plugin_api::tool;

struct LookUpError;

/// Looks something up.
#[tool(effect = read)]
async fn look_up() -> Result<String, LookUpError> {
    Err(LookUpError)
}

fn main() {}
