//! Settings: what an operator sets, held to the schema in the plugin's manifest.

use keyway_plugin_api::PluginId;
use serde_json::{Map, Value};

use super::draft::Draft;
use super::rule::at_most;
use crate::catalog::error::CatalogError;
use crate::catalog::state::CatalogEntry;
use crate::limits::Limits;
use crate::schema::Validator;

/// Bytes of a plugin's settings as JSON.
const SETTINGS_MAX: usize = 64 * 1024;

/// Sets what an operator wants of a plugin; empty settings leave it to the embedder's.
pub(super) fn configure(
    draft: &mut Draft<'_>,
    plugin: &PluginId,
    settings: &Map<String, Value>,
) -> Result<String, CatalogError> {
    let entry = draft.usable(plugin)?;
    if !settings.is_empty() {
        hold(plugin, entry, settings)?;
    }
    if entry.keyway.settings == *settings {
        draft.idle();
        return Ok(format!("{plugin} is configured so already."));
    }
    let restarts = entry.is_live() && entry.keyway.declared.has_code;
    draft.edit(plugin, |entry| entry.keyway.settings = settings.clone());
    if restarts {
        draft.start(plugin);
        draft.stop(plugin);
    }
    Ok(match settings.len() {
        0 => format!("{plugin} has no settings of an operator's any more."),
        _ => format!("Configured {plugin}."),
    })
}

/// Holds settings to the schema that the plugin declares.
fn hold(
    plugin: &PluginId,
    entry: &CatalogEntry,
    settings: &Map<String, Value>,
) -> Result<(), CatalogError> {
    let Some(schema) = entry.keyway.declared.settings_schema() else {
        return Err(CatalogError::NoSettings {
            plugin: plugin.clone(),
        });
    };
    let settings = Value::Object(settings.clone());
    at_most(
        "size of the settings",
        settings.to_string().len(),
        SETTINGS_MAX,
    )?;
    let invalid = |problem: String| CatalogError::SettingsInvalid {
        plugin: plugin.clone(),
        problem,
    };
    let validator = Validator::compile(schema, &Limits::default());
    let validator = validator.map_err(|e| invalid(e.to_string()))?;
    let held = validator.validate(&settings);
    held.map_err(|e| invalid(e.of("settings")))
}
