//! The catalog as it lies on disk: the layout of source 002, keyway's additions beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_plugin_api::{PluginId, Slot};
use semver::Version;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::layout;
use super::record::{Authority, CatalogRecord, EntryRecord};
use super::requirement::Requirement;
use crate::rank::Precedence;

/// The version of the file's layout that this crate reads and writes.
pub const SCHEMA_VERSION: u64 = 1;

/// A catalog state is everything that an operator decided about plugins, as of one revision.
///
/// It is plain data: [`decide`](super::decide) computes the next one, a
/// [`CatalogStore`](crate::store::CatalogStore) keeps it.
///
/// ```
/// use keyway_host::catalog::CatalogState;
/// let state = CatalogState::new();
/// assert_eq!(state.revision(), 0);
/// assert!(state.to_json()?.starts_with("{\n  \"schemaVersion\": 1"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatalogState {
    /// Version of the layout.
    pub schema_version: u64,
    /// Every installed plugin by id. Entries are shared between revisions.
    #[serde(deserialize_with = "layout::unique_keys")]
    pub entries: BTreeMap<PluginId, Arc<CatalogEntry>>,
    /// Which plugin holds each exclusive slot.
    #[serde(
        serialize_with = "slots_by_name",
        deserialize_with = "layout::unique_keys"
    )]
    pub slot_assignments: BTreeMap<Slot, PluginId>,
    /// Unix time of the last change, in milliseconds.
    pub last_modified_ms: i64,
    /// What keyway keeps beyond source 002.
    #[serde(default, skip_serializing_if = "CatalogRecord::is_default")]
    pub keyway: CatalogRecord,
    /// Fields this version does not know; kept as they were.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

/// Source 002 shows the slots sorted by name, whatever their order of initialisation.
fn slots_by_name<S: Serializer>(
    slots: &BTreeMap<Slot, PluginId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let by_name: BTreeMap<_, _> = slots.iter().map(|(slot, id)| (slot.as_str(), id)).collect();
    by_name.serialize(serializer)
}

impl CatalogState {
    /// Returns a catalog without plugins.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            entries: BTreeMap::new(),
            slot_assignments: BTreeMap::new(),
            last_modified_ms: 0,
            keyway: CatalogRecord::default(),
            other: Map::new(),
        }
    }

    /// Returns the number of changes made so far; it orders states, clocks do not.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.keyway.revision
    }

    /// Returns a plugin's entry.
    #[must_use]
    pub fn entry(&self, plugin: &PluginId) -> Option<&CatalogEntry> {
        self.entries.get(plugin).map(Arc::as_ref)
    }

    /// Returns which plugin holds a slot.
    #[must_use]
    pub fn occupant(&self, slot: Slot) -> Option<&PluginId> {
        self.slot_assignments.get(&slot)
    }

    /// Tells whether an operator revoked a plugin, installed or not.
    #[must_use]
    pub fn is_revoked(&self, plugin: &PluginId) -> bool {
        self.keyway.revocations.contains_key(plugin)
    }

    /// Returns the time to judge expiries by: never earlier than one seen before, so that
    /// nothing un-expires when the clock steps back (attack T37).
    #[must_use]
    pub fn judged_ms(&self, now_ms: i64) -> i64 {
        now_ms.max(self.keyway.clock_high_water_ms)
    }

    /// Returns every entry in the order `list` shows: by precedence, then by name.
    pub fn listed(&self) -> impl Iterator<Item = (&PluginId, &CatalogEntry)> {
        let mut rows: Vec<_> = self.entries.iter().map(|(id, e)| (id, &**e)).collect();
        rows.sort_by_key(|(id, entry)| (entry.precedence, *id));
        rows.into_iter()
    }

    /// Tells whether two states differ at most in what operations change.
    pub(crate) fn differs_in_contents_only(&self, other: &Self) -> bool {
        self.schema_version == other.schema_version && self.other == other.other
    }

    /// Writes the state as the text that files hold, without a final newline.
    ///
    /// # Errors
    /// The serialiser's error; none is known to occur.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl Default for CatalogState {
    fn default() -> Self {
        Self::new()
    }
}

/// A catalog entry is one installed plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatalogEntry {
    /// The part of its manifest that source 002 keeps.
    pub manifest: ManifestSummary,
    /// Where the plugin was discovered.
    pub precedence: Precedence,
    /// Whether the plugin is switched on: wanted by the operator *and* authorised.
    pub enabled: bool,
    /// The slot it targets; it holds it only while
    /// [`CatalogState::slot_assignments`] says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// Path of the plugin's source on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_path: Option<String>,
    /// Unix time of the first installation, in milliseconds.
    pub installed_at_ms: i64,
    /// Unix time of the last change of this entry, in milliseconds.
    pub last_modified_ms: i64,
    /// What keyway keeps beyond source 002.
    #[serde(default, skip_serializing_if = "EntryRecord::is_default")]
    pub keyway: EntryRecord,
    /// Fields this version does not know; kept as they were.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl CatalogEntry {
    /// Tells whether the plugin may run: approved and either enabled, or displaced from its
    /// slot while giving something else too (scenario C17).
    #[must_use]
    pub fn is_live(&self) -> bool {
        let stays = self.keyway.displaced_by.is_some() && self.keyway.declared.gives_more();
        self.keyway.authority == Authority::Approved && (self.enabled || stays)
    }

    /// Returns the exclusive slot it targets.
    #[must_use]
    pub fn exclusive_slot(&self) -> Option<Slot> {
        self.slot.filter(|slot| slot.is_exclusive())
    }

    /// Returns the plugins it depends on.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.manifest.dependencies
    }
}

/// The five fields of a manifest that source 002 keeps in the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManifestSummary {
    /// The plugin's id.
    pub name: PluginId,
    /// Its version.
    pub version: Version,
    /// The slot it targets.
    pub slot: Slot,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Plugins that must be installed and enabled first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Requirement>,
    /// Fields this version does not know; kept as they were.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl ManifestSummary {
    /// Makes a summary with no description and no dependencies.
    #[must_use]
    pub fn new(name: PluginId, version: Version, slot: Slot) -> Self {
        Self {
            name,
            version,
            slot,
            description: None,
            dependencies: Vec::new(),
            other: Map::new(),
        }
    }
}
