//! What one caller sees: a view, and its tools by the names that clients call them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_host::model::WireNames;
use keyway_host::view::{ListedTool, Listing, View};

/// A view, and the names of its tools as long as they are the same.
pub(crate) struct Seen {
    pub(crate) view: View,
    named: Mutex<Option<Arc<Named>>>,
}

/// The tools of one listing, by the names that clients call them.
pub(crate) struct Named {
    listing: Arc<Listing>,
    places: BTreeMap<String, usize>,
}

impl Seen {
    pub(crate) fn by(view: View) -> Self {
        let named = Mutex::default();
        Self { view, named }
    }

    /// Returns the tools as they are now.
    pub(crate) fn named(&self) -> Arc<Named> {
        let listing = self.view.list();
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        match &*named {
            Some(named) if Arc::ptr_eq(&named.listing, &listing) => Arc::clone(named),
            _ => Arc::clone(named.insert(Arc::new(Named::of(listing)))),
        }
    }
}

impl Named {
    fn of(listing: Arc<Listing>) -> Self {
        let names = WireNames::of(listing.tools.iter().map(|tool| tool.id.as_str()));
        let tools = listing.tools.iter().enumerate();
        let places =
            tools.filter_map(|(place, tool)| Some((names.wire(&tool.id)?.to_owned(), place)));
        Self {
            places: places.collect(),
            listing,
        }
    }

    /// Returns the tool that clients call so.
    pub(crate) fn tool(&self, wire: &str) -> Option<&ListedTool> {
        self.listing.tools.get(*self.places.get(wire)?)
    }

    /// Returns the tools and how clients call them, in the view's order.
    pub(crate) fn tools(&self) -> impl Iterator<Item = (&str, &ListedTool)> {
        let mut wires = vec![None; self.listing.tools.len()];
        for (wire, place) in &self.places {
            wires[*place] = Some(wire.as_str());
        }
        let tools = wires.into_iter().zip(&self.listing.tools);
        tools.filter_map(|(wire, tool)| Some((wire?, tool)))
    }
}
