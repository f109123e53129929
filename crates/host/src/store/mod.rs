//! Where a catalog is kept. A commit is durable when it returns `Ok`, and did not happen otherwise.

mod content;
#[doc(hidden)]
pub mod disk;
mod error;
mod file;
mod folder;
mod format;
mod journal;
mod memory;

pub use error::StoreError;
pub use file::FileStore;
pub use memory::MemoryStore;

use std::sync::Arc;

use crate::catalog::{CatalogEvent, CatalogState};

/// Loads and saves a catalog.
///
/// Several hosts may use the same store at once: a commit names the revision it was made on,
/// and is refused when the store holds another one by then.
pub trait CatalogStore: Send + Sync + 'static {
    /// Reads the catalog; an empty one where there is none yet.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read or has a newer layout.
    fn load(&self) -> Result<Loaded, StoreError>;

    /// Replaces the catalog as a whole, durably, if it still has the expected revision.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has another revision, any other when it could not be
    /// made durable. In both cases the store holds what it held before.
    fn commit(&self, expected_revision: u64, next: &Arc<CatalogState>) -> Result<(), StoreError>;

    /// Shows the stored catalog to `change` and commits what that returns. A store that can keep
    /// others out meanwhile should; this one tries until nobody came in between, so `change`
    /// may be called more than once.
    ///
    /// # Errors
    /// As [`CatalogStore::load`] and [`CatalogStore::commit`], but for a conflict.
    fn transact(
        &self,
        change: &mut dyn FnMut(&Arc<CatalogState>) -> Option<Arc<CatalogState>>,
    ) -> Result<(), StoreError> {
        loop {
            let state = Arc::new(self.load()?.state);
            let Some(next) = change(&state) else {
                return Ok(());
            };
            match self.commit(state.revision(), &next) {
                Err(StoreError::Conflict { .. }) => {}
                outcome => return outcome,
            }
        }
    }
}

/// A catalog as it was loaded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// The catalog.
    pub state: CatalogState,
    /// What was repaired or put aside while loading.
    pub events: Vec<CatalogEvent>,
}

impl Loaded {
    /// Wraps a catalog that needed no repair.
    #[must_use]
    pub fn intact(state: CatalogState) -> Self {
        Self {
            state,
            events: Vec::new(),
        }
    }
}
