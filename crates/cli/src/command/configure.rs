//! Settings: from `KEY=VALUE` to values of the types that a plugin's manifest gives them.

use keyway_host::catalog::{CatalogEntry, Operation};
use serde_json::Value;

use super::operation::plugin;
use crate::args::ConfigureArgs;
use crate::failure::Failure;
use crate::session::Session;

/// Changes what is set already by what was typed.
pub(super) fn configure(session: &Session, args: ConfigureArgs) -> Result<Operation, Failure> {
    let plugin = plugin(&args.name)?;
    let entry = session.entry(&plugin)?;
    let mut settings = match args.reset {
        true => serde_json::Map::new(),
        false => entry.keyway.settings.clone(),
    };
    for key in &args.unset {
        settings.remove(key);
    }
    for setting in args.set {
        let value = typed(&entry, &setting.key, setting.value);
        settings.insert(setting.key, value);
    }
    Ok(Operation::Configure {
        plugin,
        settings,
        by: session.operator().clone(),
    })
}

/// Reads a value as JSON, or as the text it is where the setting is text or nothing else fits.
fn typed(entry: &CatalogEntry, key: &str, text: String) -> Value {
    let schema = entry.keyway.declared.settings_schema();
    let of_key = schema.and_then(|schema| schema.get("properties")?.get(key)?.get("type"));
    match of_key == Some(&Value::from("string")) {
        true => Value::String(text),
        false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}
