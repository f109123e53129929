//! Brings the trail up to the catalog where a host ended between writing the one and the other.

use std::sync::Arc;

use serde_json::Value;

use super::{Host, holdings};
use crate::audit::{AuditEvent, AuditSink, Change, REDACTED, Recorded, Replayed};
use crate::catalog::{Catalog, CatalogState};

impl Host {
    /// Records what the trail does not know of the catalog. A trail that cannot be read is
    /// reported and left as it is: nothing of it keeps a host from starting.
    pub(super) async fn mend_trail(&self) {
        let (audit, catalog) = (
            Arc::clone(&self.engine.audit),
            Arc::clone(&self.engine.catalog),
        );
        let found = tokio::task::spawn_blocking(move || missing(&*audit, &*catalog)).await;
        holdings::refresh_all(&self.engine);
        match found {
            Ok(Ok(Some(repair))) => self.engine.audit.record(repair),
            Ok(Err(why)) => tracing::warn!("the trail was not compared with the catalog: {why}"),
            _ => {}
        }
    }
}

/// Returns the record that is missing. The catalog is read after the trail: it is written first,
/// so by then it has every change that the trail has.
fn missing(audit: &dyn AuditSink, catalog: &dyn Catalog) -> Result<Option<AuditEvent>, String> {
    let recorded = audit.recorded().map_err(|why| why.to_string())?;
    let Some(recorded) = recorded else {
        return Ok(None);
    };
    catalog.refresh().map_err(|why| why.to_string())?;
    if is_up_to(recorded, &catalog.snapshot()) {
        return Ok(None);
    }
    let replayed = audit.replayed().map_err(|why| why.to_string())?;
    catalog.refresh().map_err(|why| why.to_string())?;
    Ok(replayed.and_then(|replayed| repair(&replayed, &catalog.snapshot())))
}

/// Tells whether a trail goes as far as a catalog, and no farther, without a gap. An empty catalog
/// was lost: then the trail is what is left of it, and stays.
fn is_up_to(recorded: Recorded, state: &CatalogState) -> bool {
    let revision = state.revision();
    revision == 0 || (recorded.revision == revision && !recorded.has_gap)
}

/// Returns the record that brings a trail up to a catalog, where it is behind, ahead or has a gap.
fn repair(replayed: &Replayed, state: &CatalogState) -> Option<AuditEvent> {
    let revision = state.revision();
    if is_up_to(replayed.into(), state) {
        return None;
    }
    let now = serde_json::to_value(state).unwrap_or_default();
    let change = Change::between(&replayed.catalog, &now);
    Some(AuditEvent::CatalogRepaired {
        what: why(replayed, revision).into(),
        kept: None,
        change: Box::new(without_redacted(change, &replayed.catalog)),
    })
}

fn why(replayed: &Replayed, revision: u64) -> String {
    let recorded = replayed.revision;
    match recorded == revision {
        true => format!("a change before revision {revision} was not recorded; now it is"),
        false => format!("the trail was at revision {recorded}, the catalog is at {revision}"),
    }
}

/// Leaves out what the trail has redacted: who starts knows no secrets yet, and would write them.
fn without_redacted(mut change: Change, recorded: &Value) -> Change {
    let is_redacted = |place: &str| {
        let there = recorded.pointer(place);
        there.is_some_and(|value| value.to_string().contains(REDACTED))
    };
    change.set.retain(|place, _| !is_redacted(place));
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn replayed(catalog: Value, revision: u64, has_gap: bool) -> Replayed {
        Replayed {
            catalog,
            revision,
            has_gap,
        }
    }

    fn at(revision: u64) -> CatalogState {
        let mut state = CatalogState::new();
        state.keyway.revision = revision;
        state
    }

    #[test]
    fn a_trail_is_mended_when_it_differs_from_the_catalog() {
        let table = [
            (0, 0, false, false),
            (3, 3, false, false),
            (3, 4, false, true),
            (5, 4, false, true),
            (4, 4, true, true),
            // Lost, not changed.
            (4, 0, false, false),
        ];
        for (trail, catalog, has_gap, is_mended) in table {
            let repair = repair(&replayed(json!({}), trail, has_gap), &at(catalog));
            assert_eq!(repair.is_some(), is_mended, "{trail} and {catalog}");
        }
    }

    #[test]
    fn what_was_redacted_is_not_written_again() {
        let recorded =
            json!({"keyway": {"note": "the [redacted]", "revision": 3}, "list": ["[redacted]"]});
        let now = json!({"keyway": {"note": "the secret", "revision": 4}, "list": ["secret"]});
        let change = Change::between(&recorded, &now);
        assert_eq!(change.set.len(), 3);
        let change = without_redacted(change, &recorded);
        assert_eq!(change, Change::new().set("/keyway/revision", json!(4)));
    }
}
