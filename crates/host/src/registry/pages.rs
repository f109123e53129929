//! A sorted map that is copied cheaply: a change copies the page it touches and shares the rest.

use std::sync::Arc;

/// Most items of a page.
const PAGE: usize = 64;

/// A paged copy-on-write map. No page is empty.
#[derive(Debug, Clone)]
pub(super) struct Pages<K, V> {
    pages: Vec<Arc<Vec<(K, V)>>>,
}

impl<K: Ord + Clone, V: Clone> Pages<K, V> {
    pub(super) fn new() -> Self {
        Self { pages: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let (page, place) = self.place(key);
        let (_, value) = &self.pages.get(page)?[place.ok()?];
        Some(value)
    }

    /// Iterates over the values in order of their keys.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        let pages = self.pages.iter();
        pages.flat_map(|page| page.iter().map(|(_, value)| value))
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        let (at, place) = self.place(&key);
        let Some(page) = self.pages.get_mut(at) else {
            self.pages.push(Arc::new(vec![(key, value)]));
            return;
        };
        let page = Arc::make_mut(page);
        match place {
            Ok(place) => page[place].1 = value,
            Err(place) => page.insert(place, (key, value)),
        }
        if page.len() > PAGE {
            let rest = page.split_off(PAGE / 2);
            self.pages.insert(at + 1, Arc::new(rest));
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (at, Ok(place)) = self.place(key) else {
            return None;
        };
        let page = Arc::make_mut(self.pages.get_mut(at)?);
        let (_, value) = page.remove(place);
        if page.is_empty() {
            self.pages.remove(at);
        }
        Some(value)
    }

    /// Returns the page that has a key, or would have it, and the place there.
    fn place(&self, key: &K) -> (usize, Result<usize, usize>) {
        let begins_before = |page: &Arc<Vec<(K, V)>>| page.first().is_some_and(|(k, _)| k <= key);
        let after = self.pages.partition_point(begins_before);
        let at = after.saturating_sub(1);
        let page = self.pages.get(at).map_or(&[][..], |page| page);
        (at, page.binary_search_by(|(k, _)| k.cmp(key)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// Whatever is done to copies of it, each behaves as the map that it stands for.
        #[test]
        fn pages_are_a_map(steps in proptest::collection::vec((any::<u8>(), any::<bool>()), 1..600)) {
            let (mut pages, mut map) = (Pages::new(), BTreeMap::new());
            let mut earlier = Vec::new();
            for (at, (key, is_in)) in steps.into_iter().enumerate() {
                earlier.push((pages.clone(), map.clone()));
                if is_in {
                    pages.insert(key, at);
                    map.insert(key, at);
                } else {
                    prop_assert_eq!(pages.remove(&key), map.remove(&key));
                }
                prop_assert_eq!(pages.get(&key), map.get(&key));
            }
            earlier.push((pages, map));
            for (pages, map) in earlier {
                prop_assert_eq!(pages.is_empty(), map.is_empty());
                prop_assert_eq!(pages.values().collect::<Vec<_>>(), map.values().collect::<Vec<_>>());
            }
        }
    }
}
