//! The calls inside one instance of a plugin, and whether it takes new ones.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Set once the instance takes no new calls. Counter and mark share one word, so that a call
/// either is seen by whoever waits for the last one or finds the mark.
const RETIRED: usize = 1 << (usize::BITS - 1);

/// Counts the calls inside one instance of a plugin.
#[derive(Debug, Default)]
pub(crate) struct InFlight(AtomicUsize);

/// Says why an instance does not take a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It has as many as it may have.
    Full,
    /// It is on its way out; another one may serve by now.
    Retired,
}

impl InFlight {
    /// Takes a place; dropping it gives the place back.
    pub(crate) fn enter(&self, limit: usize) -> Result<Place<'_>, NotTaken> {
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        let place = Place(self);
        match before {
            _ if before & RETIRED != 0 => Err(NotTaken::Retired),
            _ if before >= limit => Err(NotTaken::Full),
            _ => Ok(place),
        }
    }

    /// Takes no calls any more.
    pub(crate) fn retire(&self) {
        self.0.fetch_or(RETIRED, Ordering::AcqRel);
    }

    /// Tells whether no call is inside.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) & !RETIRED == 0
    }
}

/// A place among the calls inside an instance.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a InFlight);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let inside = InFlight::default();
        let first = inside.enter(2).unwrap();
        let _second = inside.enter(2).unwrap();
        assert_eq!(inside.enter(2).unwrap_err(), NotTaken::Full);
        drop(first);
        assert!(inside.enter(2).is_ok());
    }

    #[test]
    fn a_retired_instance_takes_no_call_and_is_empty_when_the_last_has_left() {
        let inside = InFlight::default();
        let last = inside.enter(2).unwrap();
        inside.retire();
        assert_eq!(inside.enter(2).unwrap_err(), NotTaken::Retired);
        assert!(!inside.is_empty());
        drop(last);
        assert!(inside.is_empty());
    }
}
