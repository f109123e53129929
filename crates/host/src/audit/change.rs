//! The difference between two JSON documents, small enough to write into the trail.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A change is what turns one JSON document into another: places removed, then places set.
///
/// Places are JSON pointers (RFC 6901). Nothing is ambiguous: a set `null` is a `null`, and a
/// set object replaces the one that was there. An operation that knows what it touched names it;
/// [`Change::between`] finds it.
///
/// ```
/// use keyway_host::audit::Change;
/// use serde_json::json;
/// let before = json!({"entries": {"a": 1, "b": 2}});
/// let change = Change::new().set("/entries/c", json!(3)).remove("/entries/a");
/// let after = change.applied_to(before.clone());
/// assert_eq!(after, json!({"entries": {"b": 2, "c": 3}}));
/// assert_eq!(Change::between(&before, &after), change);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// Places whose value is gone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<String>,
    /// Places whose value is new, with the value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Value>,
}

impl Change {
    /// Makes a change that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds: the value at `pointer` becomes `value`; objects on the way are made.
    #[must_use]
    pub fn set(mut self, pointer: impl Into<String>, value: Value) -> Self {
        self.set.insert(pointer.into(), value);
        self
    }

    /// Adds: what is at `pointer` is gone.
    #[must_use]
    pub fn remove(mut self, pointer: impl Into<String>) -> Self {
        self.removed.insert(pointer.into());
        self
    }

    /// Finds the change from one document to another, member by member of their objects.
    #[must_use]
    pub fn between(before: &Value, after: &Value) -> Self {
        let mut change = Self::new();
        change.compare(&mut String::new(), before, after);
        change
    }

    /// Tells whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.set.is_empty()
    }

    /// Returns the document after the change.
    #[must_use]
    pub fn applied_to(&self, mut document: Value) -> Value {
        for pointer in &self.removed {
            remove_at(&mut document, pointer);
        }
        for (pointer, value) in &self.set {
            set_at(&mut document, pointer, value.clone());
        }
        document
    }

    fn compare(&mut self, at: &mut String, before: &Value, after: &Value) {
        let (Value::Object(old), Value::Object(new)) = (before, after) else {
            if before != after {
                self.set.insert(at.clone(), after.clone());
            }
            return;
        };
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            self.removed.insert(format!("{at}/{}", escape(key)));
        }
        for (key, value) in new {
            let parent = at.len();
            at.push('/');
            at.push_str(&escape(key));
            match old.get(key) {
                Some(old) => self.compare(at, old, value),
                None => {
                    self.set.insert(at.clone(), value.clone());
                }
            }
            at.truncate(parent);
        }
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn remove_at(document: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        *document = Value::Null;
        return;
    };
    if let Some(Value::Object(map)) = document.pointer_mut(parent) {
        map.remove(&unescape(key));
    }
}

fn set_at(document: &mut Value, pointer: &str, value: Value) {
    let mut place = document;
    for token in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(unescape(token)).or_insert(Value::Null);
    }
    *place = value;
}
