//! Progress of a call, from the tool to whoever waits for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use keyway_plugin_api::EffectRequest;
use serde::Serialize;

/// How far a call is, in the tool's own words and numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// How much is done; goes up with each report of a call.
    pub done: u64,
    /// How much there is in all, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What is being done, where the tool says so. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

type Tell = Box<dyn Fn(Progress) + Send + Sync>;

/// Passes on the progress of one call, as long as it goes up.
pub(crate) struct Watcher {
    tell: Tell,
    /// One more than what was reported last.
    next: AtomicU64,
}

impl Watcher {
    pub(crate) fn new(tell: Tell) -> Self {
        Self {
            tell,
            next: AtomicU64::new(0),
        }
    }

    /// Passes a report on; one that goes back, or says the same again, is dropped.
    pub(crate) fn take(&self, request: EffectRequest) {
        let EffectRequest::Progress {
            done,
            total,
            message,
        } = request
        else {
            return;
        };
        let after = done.saturating_add(1);
        if self.next.fetch_max(after, Ordering::AcqRel) < after {
            (self.tell)(Progress {
                done,
                total,
                message,
            });
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watcher").field(&self.next).finish()
    }
}
