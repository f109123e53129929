//! Changes beside a large catalog file, one line each, until the file is written anew.
//!
//! The first line names the revision of the file that the others continue. Each line begins
//! with a checksum, so that the torn end of an interrupted append is known for what it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_plugin_api::{PluginId, Slot};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::catalog::{CatalogEntry, CatalogRecord, CatalogState};
use crate::digest::Digest;

/// Hex digits of a line's checksum.
const CHECK: usize = 16;

/// A journal as it was read.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// The revision of the file that it continues.
    pub(super) base: u64,
    pub(super) deltas: Vec<Delta>,
    /// How many bytes are whole lines.
    pub(super) whole: usize,
    /// The line, counted from 1, that is broken although whole lines follow it.
    pub(super) broken: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    base: u64,
}

/// What one change changed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delta {
    /// New entries, and `null` for those that are gone.
    entries: BTreeMap<PluginId, Option<Arc<CatalogEntry>>>,
    slot_assignments: BTreeMap<Slot, PluginId>,
    last_modified_ms: i64,
    /// With the revision after the change.
    keyway: CatalogRecord,
}

impl Delta {
    /// Finds what changed; nothing where a delta cannot say it.
    pub(super) fn between(old: &CatalogState, new: &CatalogState) -> Option<Self> {
        if !old.differs_in_contents_only(new) {
            return None;
        }
        Some(Self {
            entries: changed_entries(old, new),
            slot_assignments: new.slot_assignments.clone(),
            last_modified_ms: new.last_modified_ms,
            keyway: new.keyway.clone(),
        })
    }

    pub(super) fn apply(self, state: &mut CatalogState) {
        for (id, entry) in self.entries {
            match entry {
                Some(entry) => drop(state.entries.insert(id, entry)),
                None => drop(state.entries.remove(&id)),
            }
        }
        state.slot_assignments = self.slot_assignments;
        state.last_modified_ms = self.last_modified_ms;
        state.keyway = self.keyway;
    }
}

/// Walks both catalogs side by side. Revisions share their entries, so most are told to be the
/// same without looking into them.
fn changed_entries(
    old: &CatalogState,
    new: &CatalogState,
) -> BTreeMap<PluginId, Option<Arc<CatalogEntry>>> {
    let mut changed = BTreeMap::new();
    let mut before = old.entries.iter().peekable();
    for (id, entry) in &new.entries {
        while let Some((gone, _)) = before.next_if(|(old, _)| *old < id) {
            changed.insert(gone.clone(), None);
        }
        let same = before.next_if(|(old, _)| *old == id);
        let is_same = |old: &Arc<CatalogEntry>| Arc::ptr_eq(old, entry) || old == entry;
        if !same.is_some_and(|(_, old)| is_same(old)) {
            changed.insert(id.clone(), Some(Arc::clone(entry)));
        }
    }
    changed.extend(before.map(|(gone, _)| (gone.clone(), None)));
    changed
}

/// Writes the line that begins a journal.
pub(super) fn header(base: u64) -> Result<Vec<u8>, StoreError> {
    line(&Header { base })
}

/// Writes one line.
pub(super) fn line(content: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_string(content);
    let json = json.map_err(|source| StoreError::Encode { source })?;
    Ok(format!("{} {json}\n", check(json.as_bytes())).into_bytes())
}

fn check(json: &[u8]) -> String {
    let digest = Digest::of(json);
    let bytes = digest.as_bytes().iter().take(CHECK / 2);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a journal up to its torn end.
pub(super) fn parse(bytes: &[u8]) -> Journal {
    let mut journal = Journal::default();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    while let Some((at, line)) = lines.next() {
        let is_read = match at {
            0 => content::<Header>(line).map(|header| journal.base = header.base),
            _ => content(line).map(|delta| journal.deltas.push(delta)),
        };
        if is_read.is_none() {
            let more = lines.any(|(_, line)| content::<serde::de::IgnoredAny>(line).is_some());
            journal.broken = (more || at == 0).then_some(at + 1);
            break;
        }
        journal.whole += line.len();
    }
    journal
}

fn content<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, rest) = line.split_at_checked(CHECK)?;
    let json = rest.strip_prefix(b" ")?;
    if check(json).as_bytes() != sum {
        return None;
    }
    serde_json::from_slice(json).ok()
}
