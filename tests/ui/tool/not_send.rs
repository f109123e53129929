use std::rc::Rc;

use keyway_plugin_api::{Log, tool};

/// Looks something up.
#[tool(effect = read)]
async fn look_up(log: Log) -> String {
    let text = Rc::new(String::new());
    log.info("looking").await;
    text.to_string()
}

fn main() {}
