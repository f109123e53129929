//! A catalog that lives as long as its process.

use std::sync::{Arc, Mutex, PoisonError};

use super::{CatalogStore, Loaded, StoreError};
use crate::catalog::CatalogState;

/// A store in memory, for tests and for hosts that keep nothing. Clones share their content.
///
/// ```
/// use keyway_host::store::{CatalogStore, MemoryStore};
/// assert_eq!(MemoryStore::new().load()?.state.revision(), 0);
/// # Ok::<(), keyway_host::store::StoreError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Arc<CatalogState>>>);

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a store that holds a catalog.
    #[must_use]
    pub fn of(state: CatalogState) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(state))))
    }
}

impl CatalogStore for MemoryStore {
    fn load(&self) -> Result<Loaded, StoreError> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Loaded::intact(CatalogState::clone(&state)))
    }

    fn commit(&self, expected_revision: u64, next: &Arc<CatalogState>) -> Result<(), StoreError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.revision() != expected_revision {
            return Err(StoreError::Conflict {
                expected: expected_revision,
                found: state.revision(),
            });
        }
        *state = Arc::clone(next);
        Ok(())
    }
}
