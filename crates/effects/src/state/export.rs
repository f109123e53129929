//! A plugin's state as JSON, to take away and to bring back.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_plugin_api::PluginId;
use serde::{Deserialize, Serialize};

use super::StateError;

const FORMAT: &str = "keyway-state/1";

/// Everything one plugin keeps, readable by people where it is text.
///
/// ```json
/// {"format": "keyway-state/1", "plugin": "notes", "entries": {
///     "greeting": {"text": "hello"}, "icon": {"base64": "AAEC/w=="}}}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateExport {
    format: String,
    plugin: PluginId,
    entries: BTreeMap<String, Exported>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Exported {
    Base64(String),
    Text(String),
}

impl StateExport {
    pub(super) fn new(plugin: PluginId, entries: BTreeMap<String, Vec<u8>>) -> Self {
        let exported = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => Exported::Text(text),
            Err(error) => Exported::Base64(STANDARD.encode(error.as_bytes())),
        };
        let entries = entries.into_iter().map(|(k, v)| (k, exported(v)));
        Self {
            format: FORMAT.to_owned(),
            plugin,
            entries: entries.collect(),
        }
    }

    /// Parses an export.
    ///
    /// # Errors
    /// [`StateError::BadExport`].
    pub fn from_json(json: &str) -> Result<Self, StateError> {
        let bad = |problem: String| StateError::BadExport { problem };
        let export: Self = serde_json::from_str(json).map_err(|e| bad(e.to_string()))?;
        match export.format.as_str() {
            FORMAT => Ok(export),
            _ => Err(bad(format!("unexpected format, expected {FORMAT}"))),
        }
    }

    /// Writes the export as JSON, with sorted keys.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A struct of strings with string keys is always JSON.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Returns whose state it is.
    #[must_use]
    pub fn plugin(&self) -> &PluginId {
        &self.plugin
    }

    /// Tells whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn entries(&self) -> Result<BTreeMap<String, Vec<u8>>, StateError> {
        let bytes = |exported: &Exported| match exported {
            Exported::Text(text) => Ok(text.clone().into_bytes()),
            Exported::Base64(base64) => STANDARD.decode(base64),
        };
        let entries = self.entries.iter().map(|(key, exported)| {
            let bytes = bytes(exported).map_err(|e| StateError::BadExport {
                problem: e.to_string(),
            })?;
            Ok((key.clone(), bytes))
        });
        entries.collect()
    }
}
