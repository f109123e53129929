//! The text of the catalog file.

use serde::Deserialize;

use super::StoreError;
use crate::catalog::{CatalogState, SCHEMA_VERSION};

/// Why a text is not a catalog.
#[derive(Debug)]
pub(super) enum Flaw {
    /// It cannot be read.
    Damaged(String),
    /// It has this newer version.
    Newer(u64),
}

/// The one field that every version of the layout has.
#[derive(Deserialize)]
struct Version {
    #[serde(rename = "schemaVersion")]
    schema_version: u64,
}

/// Reads a catalog.
pub(super) fn parse(bytes: &[u8]) -> Result<CatalogState, Flaw> {
    let parsed = serde_json::from_slice::<CatalogState>(bytes);
    let version = match &parsed {
        Ok(state) => Some(state.schema_version),
        Err(_) => version_alone(bytes),
    };
    match version {
        Some(newer) if newer > SCHEMA_VERSION => return Err(Flaw::Newer(newer)),
        Some(0) => return Err(Flaw::Damaged("there is no schema version 0".to_owned())),
        _ => {}
    }
    let state = parsed.map_err(|error| Flaw::Damaged(error.to_string()))?;
    match misnamed(&state) {
        Some(problem) => Err(Flaw::Damaged(problem)),
        None => Ok(state),
    }
}

/// A newer layout may be unreadable but for its version.
fn version_alone(bytes: &[u8]) -> Option<u64> {
    let version = serde_json::from_slice::<Version>(bytes).ok()?;
    Some(version.schema_version)
}

fn misnamed(state: &CatalogState) -> Option<String> {
    let mut entries = state.entries.iter();
    let (id, entry) = entries.find(|(id, entry)| **id != entry.manifest.name)?;
    Some(format!(
        "entry `{id}` holds a manifest of `{}`",
        entry.manifest.name
    ))
}

/// Writes a catalog.
pub(super) fn write(state: &CatalogState) -> Result<Vec<u8>, StoreError> {
    let text = state.to_json();
    let mut text = text.map_err(|source| StoreError::Encode { source })?;
    text.push('\n');
    Ok(text.into_bytes())
}
