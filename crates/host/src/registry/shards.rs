//! A map that is copied cheaply: a change copies the shards it touches and shares the rest.

use std::collections::HashMap;
use std::sync::Arc;

/// Number of shards; at 100,000 names a shard holds about 200.
const SHARDS: usize = 512;

type Shard<V> = HashMap<Arc<str>, V>;

/// A sharded copy-on-write map from names.
#[derive(Debug, Clone)]
pub(super) struct Shards<V> {
    shards: Vec<Arc<Shard<V>>>,
}

impl<V: Clone> Shards<V> {
    pub(super) fn new() -> Self {
        let empty = Arc::new(HashMap::new());
        Self {
            shards: vec![empty; SHARDS],
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.shards[index(name)].get(name)
    }

    pub(super) fn insert(&mut self, name: Arc<str>, value: V) {
        let shard = &mut self.shards[index(&name)];
        Arc::make_mut(shard).insert(name, value);
    }

    pub(super) fn remove(&mut self, name: &str) {
        let shard = &mut self.shards[index(name)];
        if shard.contains_key(name) {
            Arc::make_mut(shard).remove(name);
        }
    }
}

/// FNV-1a picks the shard; inside it the standard, seeded hash keeps hostile names harmless.
fn index(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash >> 32).unwrap_or_default() % SHARDS
}
