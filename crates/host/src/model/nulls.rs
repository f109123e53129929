//! Where a `null` in a call means that the property is absent.
//!
//! OpenAI's strict mode wants every property in every call. One that a call may leave out is
//! offered as "the value or `null`", and the `null` is taken out again before the host sees it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The places of one schema at which `null` means absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Nulls {
    absent: BTreeSet<String>,
    inside: BTreeMap<String, Nulls>,
    items: Option<Box<Nulls>>,
}

impl Nulls {
    pub(super) fn of_items(items: Self) -> Self {
        Self {
            items: (!items.is_empty()).then(|| Box::new(items)),
            ..Self::default()
        }
    }

    pub(super) fn add_property(&mut self, name: &str, is_optional: bool, inside: Self) {
        if is_optional {
            self.absent.insert(name.to_owned());
        }
        if !inside.is_empty() {
            self.inside.insert(name.to_owned(), inside);
        }
    }

    /// Joins the places of the branches of an `anyOf`; gives none where the branch that an object
    /// or an array fits could not be told.
    pub(super) fn of_branches(branches: &[Value], nulls: Vec<Self>) -> Option<Self> {
        let count = |name| branches.iter().filter(|b| may_be(b, name)).count();
        let is_clear = count("object") <= 1 && count("array") <= 1;
        let mut filled = nulls.into_iter().filter(|nulls| !nulls.is_empty());
        let Some(first) = filled.next() else {
            return Some(Self::default());
        };
        let Some(second) = filled.next() else {
            return is_clear.then_some(first);
        };
        // One object and one array: their places are of different kinds.
        is_clear.then(|| Self {
            absent: &first.absent | &second.absent,
            inside: first.inside.into_iter().chain(second.inside).collect(),
            items: first.items.or(second.items),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.absent.is_empty() && self.inside.is_empty() && self.items.is_none()
    }

    /// Takes the nulls out; tells whether there were any.
    pub(super) fn take_out(&self, arguments: &mut Value) -> bool {
        match arguments {
            Value::Object(members) => {
                let before = members.len();
                members.retain(|name, value| !(value.is_null() && self.absent.contains(name)));
                let mut has_changed = members.len() < before;
                for (name, inside) in &self.inside {
                    if let Some(value) = members.get_mut(name) {
                        has_changed |= inside.take_out(value);
                    }
                }
                has_changed
            }
            Value::Array(list) => match &self.items {
                Some(items) => list
                    .iter_mut()
                    .fold(false, |changed, item| items.take_out(item) | changed),
                None => false,
            },
            _ => false,
        }
    }
}

/// Tells whether a branch may be of a type. One that is an `anyOf` itself may be of any.
fn may_be(branch: &Value, name: &str) -> bool {
    branch.get("type").and_then(Value::as_str) == Some(name) || branch.get("anyOf").is_some()
}
