//! Compiled validators, shared between tools with the same schema and bounded in number.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use serde_json::Value;

use super::error::SchemaError;
use super::validator::Validator;
use crate::digest::Digest;
use crate::limits::Limits;

/// A pool of validators: one for each distinct schema, at most so many compiled at a time.
///
/// A compiled validator weighs some 35 KiB for a typical schema, so a host with many tools
/// compiles on first use and lets go of those that were not used for longest.
///
/// ```
/// use keyway_host::limits::Limits;
/// use keyway_host::schema::ValidatorCache;
/// use serde_json::json;
///
/// let cache = ValidatorCache::new(1_000, Limits::default());
/// let one = cache.intern(&json!({"type": "object", "required": ["a"]}));
/// let same = cache.intern(&json!({"required": ["a"], "type": "object"}));
/// assert!(std::sync::Arc::ptr_eq(&one, &same));
/// assert!(!one.get()?.is_valid(&json!({})));
/// # Ok::<(), keyway_host::schema::SchemaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ValidatorCache(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    limits: Limits,
    capacity: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    known: HashMap<Digest, Weak<LazyValidator>>,
    compiled: VecDeque<Weak<LazyValidator>>,
    sweep_at: usize,
}

impl ValidatorCache {
    /// Makes a pool that keeps at most `capacity` validators compiled, but always one.
    #[must_use]
    pub fn new(capacity: usize, limits: Limits) -> Self {
        Self(Arc::new(Pool {
            limits,
            capacity: capacity.max(1),
            shelf: Mutex::default(),
        }))
    }

    /// Returns the validator of a schema, not yet compiled when it is new.
    ///
    /// Costs a digest of the schema: keep what it returns for the life of the tool.
    #[must_use]
    pub fn intern(&self, schema: &Value) -> Arc<LazyValidator> {
        let digest = Digest::of_json(schema);
        let mut shelf = self.0.shelf();
        if let Some(known) = shelf.known.get(&digest).and_then(Weak::upgrade) {
            return known;
        }
        let lazy = Arc::new(LazyValidator {
            schema: Arc::new(schema.clone()),
            digest,
            compiled: ArcSwapOption::empty(),
            used: AtomicBool::new(false),
            pool: Arc::clone(&self.0),
        });
        shelf.remember(&lazy);
        lazy
    }

    /// Returns how many validators are compiled now.
    #[must_use]
    pub fn compiled(&self) -> usize {
        let shelf = self.0.shelf();
        shelf
            .compiled
            .iter()
            .filter(|w| w.strong_count() > 0)
            .count()
    }
}

/// A validator that is compiled when it is first used, and again after it was let go.
pub struct LazyValidator {
    schema: Arc<Value>,
    digest: Digest,
    compiled: ArcSwapOption<Validator>,
    used: AtomicBool,
    pool: Arc<Pool>,
}

impl LazyValidator {
    /// Returns the compiled validator. Takes no lock unless it has to compile.
    ///
    /// # Errors
    /// The [`SchemaError`] of [`Validator::compile`]; none once the schema has passed it.
    pub fn get(self: &Arc<Self>) -> Result<Arc<Validator>, SchemaError> {
        if let Some(compiled) = self.compiled.load_full() {
            if !self.used.load(Ordering::Relaxed) {
                self.used.store(true, Ordering::Relaxed);
            }
            return Ok(compiled);
        }
        let schema = Arc::clone(&self.schema);
        let compiled = Arc::new(Validator::compile_shared(schema, &self.pool.limits)?);
        self.pool.keep(self, &compiled);
        Ok(compiled)
    }

    /// Returns the digest of the schema.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the schema.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }
}

impl fmt::Debug for LazyValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyValidator")
            .field("digest", &self.digest)
            .field("compiled", &self.compiled.load().is_some())
            .finish_non_exhaustive()
    }
}

impl Pool {
    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a validator, letting go of another one when there are too many.
    fn keep(&self, lazy: &Arc<LazyValidator>, compiled: &Arc<Validator>) {
        let mut shelf = self.shelf();
        if lazy.compiled.load().is_some() {
            return;
        }
        while shelf.compiled.len() >= self.capacity {
            let Some(oldest) = shelf.compiled.pop_front() else {
                break;
            };
            let Some(oldest) = oldest.upgrade() else {
                continue;
            };
            if oldest.used.swap(false, Ordering::Relaxed) {
                shelf.compiled.push_back(Arc::downgrade(&oldest));
            } else {
                oldest.compiled.store(None);
            }
        }
        lazy.compiled.store(Some(Arc::clone(compiled)));
        shelf.compiled.push_back(Arc::downgrade(lazy));
    }
}

impl Shelf {
    /// Remembers a validator for sharing; forgets the dead ones each time their number may have
    /// doubled, which costs nothing on average.
    fn remember(&mut self, lazy: &Arc<LazyValidator>) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, weak| weak.strong_count() > 0);
            self.sweep_at = 2 * self.known.len() + 64;
        }
        self.known.insert(lazy.digest, Arc::downgrade(lazy));
    }
}
