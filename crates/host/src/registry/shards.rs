//! A map that is copied cheaply: a change copies the shards it touches and shares the rest.

use std::collections::HashMap;
use std::sync::Arc;

/// Number of shards; at 100,000 names a shard holds about 200.
const SHARDS: usize = 512;
/// Shards that are shared as one: a copy counts up one number for each group and not for each shard.
const GROUP: usize = 32;

type Shard<V> = HashMap<Arc<str>, V>;

/// A sharded copy-on-write map from names.
#[derive(Debug, Clone)]
pub(super) struct Shards<V> {
    groups: Vec<Arc<Vec<Arc<Shard<V>>>>>,
}

impl<V: Clone> Shards<V> {
    pub(super) fn new() -> Self {
        let group = Arc::new(vec![Arc::default(); GROUP]);
        Self {
            groups: vec![group; SHARDS / GROUP],
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&V> {
        let at = index(name);
        self.groups[at / GROUP][at % GROUP].get(name)
    }

    pub(super) fn insert(&mut self, name: Arc<str>, value: V) {
        self.shard(&name).insert(name, value);
    }

    pub(super) fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.shard(name).remove(name);
        }
    }

    /// Returns the shard of a name as one that no copy shares.
    fn shard(&mut self, name: &str) -> &mut Shard<V> {
        let at = index(name);
        let group = Arc::make_mut(&mut self.groups[at / GROUP]);
        Arc::make_mut(&mut group[at % GROUP])
    }
}

/// Picks the shard with a hash that takes eight bytes at a time; inside it the standard, seeded
/// hash keeps hostile names harmless.
fn index(name: &str) -> usize {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let rest = rest
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let hash = words.chain([rest]).fold(0, mix);
    usize::try_from(hash >> 32).unwrap_or_default() % SHARDS
}
