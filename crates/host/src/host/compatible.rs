//! Holds a plugin's API range against this host, before any of its code runs (settlement 21).

use keyway_plugin_api::{IncompatibleApi, Manifest, PluginId, check_api, plugin_api_version};

use super::builtin;
use crate::catalog::{Candidate, CatalogError, Operation};

/// Checks the plugin that an operation brings in, where it brings one.
pub(super) fn check(operation: &Operation) -> Result<(), CatalogError> {
    match operation {
        Operation::Install { candidate }
        | Operation::Reload { candidate, .. }
        | Operation::Update { candidate, .. } => check_candidate(candidate),
        _ => Ok(()),
    }
}

fn check_candidate(candidate: &Candidate) -> Result<(), CatalogError> {
    refuse_owner(candidate.plugin())?;
    let document = &candidate.declared.document;
    if document.is_null() {
        return Ok(());
    }
    let plugin = candidate.plugin();
    let text = document.to_string();
    let (manifest, _) =
        Manifest::parse(text.as_bytes()).map_err(|e| CatalogError::ManifestInvalid {
            plugin: Some(plugin.clone()),
            problems: e.problems().iter().map(ToString::to_string).collect(),
        })?;
    check_manifest(&manifest).map_err(|e| CatalogError::ApiIncompatible {
        plugin: plugin.clone(),
        required: manifest.api().map(ToString::to_string).unwrap_or_default(),
        offered: e
            .offered
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// Keeps the id that owns the host's own tools; a plugin of that name would stand in their place
/// (attack F2).
fn refuse_owner(plugin: &PluginId) -> Result<(), CatalogError> {
    if plugin.as_str() != builtin::OWNER {
        return Ok(());
    }
    Err(CatalogError::ManifestInvalid {
        plugin: Some(plugin.clone()),
        problems: vec![format!(
            "name: `{plugin}` is the host's own; choose another"
        )],
    })
}

pub(super) fn check_manifest(manifest: &Manifest) -> Result<(), IncompatibleApi> {
    match manifest.api() {
        Some(required) => check_api(required, &[plugin_api_version()]).map(drop),
        None => Ok(()),
    }
}
