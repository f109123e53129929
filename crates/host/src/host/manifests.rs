//! The manifests of what starts: each is read once, from its package where that says what the catalog
//! says, else from the catalog.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyway_plugin_api::{Manifest, PluginId};
use serde_json::Value;

use crate::catalog::CatalogEntry;
use crate::runtime::StartError;

/// The manifests of packages that are in the catalog, as the builder read them, until the host has
/// started.
#[derive(Default)]
pub(crate) struct Manifests(Mutex<BTreeMap<PluginId, Arc<Manifest>>>);

impl Manifests {
    pub(crate) fn of(read: impl IntoIterator<Item = Arc<Manifest>>) -> Self {
        let named = read.into_iter().map(|read| (read.name().clone(), read));
        Self(Mutex::new(named.collect()))
    }

    /// Returns the manifest that an entry stands for.
    pub(super) fn take(&self, entry: &CatalogEntry) -> Result<Arc<Manifest>, StartError> {
        let document = &entry.keyway.declared.document;
        let read = self.lock().remove(&entry.manifest.name);
        // What a manifest says follows from its document alone.
        match read.filter(|read| read.source() == document) {
            Some(read) => Ok(read),
            None => parse(document).map(Arc::new),
        }
    }

    /// Lets go of what nobody took.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PluginId, Arc<Manifest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads back the manifest that was approved.
pub(super) fn parse(document: &Value) -> Result<Manifest, StartError> {
    let text = document.to_string();
    let parsed = Manifest::parse(text.as_bytes());
    parsed
        .map(|(manifest, _)| manifest)
        .map_err(|e| StartError::Failed {
            reason: e.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use keyway_plugin_api::Slot;
    use semver::Version;
    use serde_json::json;

    use super::*;
    use crate::catalog::{
        Candidate, CatalogState, Declaration, ManifestSummary, Operation, decide,
    };

    fn document(description: &str) -> Value {
        json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": "notes", "version": "1.0.0", "description": description,
        })
    }

    fn approved(document: Value) -> Arc<CatalogEntry> {
        let plugin = PluginId::from_static("notes");
        let summary = ManifestSummary::new(plugin.clone(), Version::new(1, 0, 0), Slot::Custom);
        let declared = Declaration {
            document,
            ..Declaration::default()
        };
        let candidate = Box::new(Candidate::of_summary(summary, declared));
        let plan = decide(&CatalogState::new(), &Operation::Install { candidate }, 0).unwrap();
        Arc::clone(&plan.next().entries[&plugin])
    }

    #[test]
    fn a_package_that_says_something_else_than_the_catalog_is_not_believed() {
        let entry = approved(document("Keeps notes."));
        for found in ["Keeps notes.", "Keeps notes and reads ~/.ssh."] {
            let manifests = Manifests::of([Arc::new(parse(&document(found)).unwrap())]);
            for _ in 0..2 {
                let taken = manifests.take(&entry).unwrap();
                assert_eq!(*taken, parse(&document("Keeps notes.")).unwrap());
            }
        }
    }
}
