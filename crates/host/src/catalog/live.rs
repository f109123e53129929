//! The catalog in use: a snapshot for readers, one writer at a time, a store below.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::decide::decide;
use super::error::CatalogError;
use super::operation::Operation;
use super::plan::{CatalogOperationResult, Plan};
use super::state::CatalogState;
use crate::clock::Clock;
use crate::store::{CatalogStore, StoreError};

/// Keeps the plugins that operators decided about.
///
/// Readers take snapshots and never wait. A change is planned first and then applied, as a
/// whole or not at all; when [`Catalog::apply`] returns `Ok`, it is durable.
pub trait Catalog: Send + Sync + 'static {
    /// Returns the catalog as it is now.
    fn snapshot(&self) -> Arc<CatalogState>;

    /// Plans an operation without changing anything.
    ///
    /// # Errors
    /// Any [`CatalogError`] but `Conflict` and `Store`.
    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError>;

    /// Makes a planned change.
    ///
    /// # Errors
    /// [`CatalogError::Conflict`] when the catalog changed since the plan was made,
    /// [`CatalogError::Store`] when it could not be made durable; it did not happen then.
    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError>;

    /// Reads again what others may have changed; tells whether anything is new.
    ///
    /// # Errors
    /// [`CatalogError::Store`].
    fn refresh(&self) -> Result<bool, CatalogError> {
        Ok(false)
    }

    /// Plans and applies in one step, again when others got in between, except for a
    /// [judgement](Operation::is_judgement).
    ///
    /// # Errors
    /// Any [`CatalogError`].
    fn run(&self, operation: &Operation) -> Result<CatalogOperationResult, CatalogError> {
        loop {
            let outcome = self.apply(self.plan(operation)?);
            let lost = matches!(outcome, Err(CatalogError::Conflict { .. }));
            if !lost || operation.is_judgement() {
                return outcome;
            }
            self.refresh()?;
        }
    }
}

/// A catalog over a [`CatalogStore`].
pub struct DurableCatalog {
    store: Box<dyn CatalogStore>,
    clock: Arc<dyn Clock>,
    current: ArcSwap<CatalogState>,
    writer: Mutex<()>,
}

impl std::fmt::Debug for DurableCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DurableCatalog")
            .field("revision", &self.snapshot().revision())
            .finish_non_exhaustive()
    }
}

impl DurableCatalog {
    /// Opens the catalog that a store holds. What the store had to repair or to put aside is in
    /// the returned notes; a damaged catalog is put aside and an empty one opened, so that a
    /// host still starts with its builtins (invariant 8).
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or holds a newer layout.
    pub fn open(
        store: impl CatalogStore,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<super::CatalogEvent>), StoreError> {
        let loaded = store.load()?;
        let catalog = Self {
            store: Box::new(store),
            clock,
            current: ArcSwap::from_pointee(loaded.state),
            writer: Mutex::new(()),
        };
        Ok((catalog, loaded.events))
    }
}

impl DurableCatalog {
    /// Where a store cannot tell what became of a change, what it holds is what happened.
    fn settled(&self, committed: Result<(), StoreError>) -> Result<(), StoreError> {
        if let Err(StoreError::Unsettled { .. }) = &committed
            && let Ok(loaded) = self.store.load()
        {
            self.current.store(Arc::new(loaded.state));
        }
        committed
    }
}

impl Catalog for DurableCatalog {
    fn snapshot(&self) -> Arc<CatalogState> {
        self.current.load_full()
    }

    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        decide(&self.snapshot(), operation, self.clock.now_ms())
    }

    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load();
        let found = current.revision();
        if found != plan.base_revision {
            return Err(CatalogError::Conflict {
                expected: plan.base_revision,
                found,
            });
        }
        if plan.changes_anything() {
            let committed = self.store.commit(plan.base_revision, &plan.next);
            self.settled(committed)?;
            self.current.store(plan.next);
        }
        Ok(plan.result)
    }

    fn run(&self, operation: &Operation) -> Result<CatalogOperationResult, CatalogError> {
        if operation.is_judgement() {
            return self.apply(self.plan(operation)?);
        }
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = None;
        let mut outcome = None;
        let transacted = self.store.transact(&mut |state| {
            let plan = match decide(state, operation, self.clock.now_ms()) {
                Ok(plan) => plan,
                Err(error) => {
                    seen = Some(Arc::clone(state));
                    outcome = Some(Err(error));
                    return None;
                }
            };
            let next = plan.changes_anything().then(|| Arc::clone(&plan.next));
            seen = Some(plan.next);
            outcome = Some(Ok(plan.result));
            next
        });
        self.settled(transacted)?;
        if let Some(state) = seen {
            self.current.store(state);
        }
        // A store that never asked for the change did not make it.
        let found = self.snapshot().revision();
        outcome.unwrap_or(Err(CatalogError::Conflict {
            expected: found,
            found,
        }))
    }

    fn refresh(&self) -> Result<bool, CatalogError> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = self.store.load()?;
        let is_new = loaded.state != **self.current.load();
        if is_new {
            self.current.store(Arc::new(loaded.state));
        }
        Ok(is_new)
    }
}
