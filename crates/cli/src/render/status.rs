//! The one word that says how a plugin stands.

use keyway_host::catalog::{Authority, CatalogEntry, CatalogState};

/// Returns `enabled`, `disabled`, `pending`, `denied` or `revoked`.
pub(crate) fn status(state: &CatalogState, entry: &CatalogEntry) -> &'static str {
    if state.is_revoked(&entry.manifest.name) {
        return "revoked";
    }
    match entry.keyway.authority {
        Authority::Denied => "denied",
        Authority::PendingApproval => "pending",
        Authority::Revoked => "revoked",
        _ if entry.enabled => "enabled",
        _ => "disabled",
    }
}
