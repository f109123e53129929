//! The live set of tools that may be named now.
//!
//! Readers take a snapshot and never wait; a writer derives the next snapshot and swaps it in, so
//! that a plugin's tools come and go in one step.

mod admit;
mod described;
mod entry;
mod in_flight;
mod pages;
mod shards;
mod snapshot;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub use admit::Quarantined;
pub use described::definition_of;
pub(crate) use described::{Described, pins_of};
pub use entry::{Owner, ToolEntry};
pub(crate) use in_flight::{InFlight, NotTaken};
pub use snapshot::{ClashRule, NameClash, RegistrationReport, RegistryChange, RegistrySnapshot};

/// Holds the tools that may be named now.
///
/// Implemented by [`LiveRegistry`]; an embedder may replace it, for example to mirror every change
/// elsewhere. Contract: `snapshot` never blocks and never goes back; `publish` makes the whole
/// change visible at once, in the order of the calls.
///
/// ```
/// use std::sync::Arc;
/// use keyway_host::registry::*;
///
/// /// Counts the changes that pass through.
/// #[derive(Default)]
/// struct Counting(LiveRegistry, std::sync::atomic::AtomicU64);
///
/// impl ToolRegistry for Counting {
///     fn snapshot(&self) -> Arc<RegistrySnapshot> { self.0.snapshot() }
///     fn publish(&self, change: RegistryChange) -> RegistrationReport {
///         self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         self.0.publish(change)
///     }
/// }
/// ```
pub trait ToolRegistry: Send + Sync + 'static {
    /// Returns the registry as it is now.
    fn snapshot(&self) -> Arc<RegistrySnapshot>;

    /// Returns the tool with a canonical name, as the snapshot has it now. Every call asks; a
    /// registry that need not share its whole snapshot for that brings its own.
    fn tool(&self, name: &str) -> Option<Arc<ToolEntry>> {
        self.snapshot().get(name).cloned()
    }

    /// Makes a change visible and tells what became of its tools.
    fn publish(&self, change: RegistryChange) -> RegistrationReport;
}

/// The registry that ships: one atomic pointer to the current snapshot.
pub struct LiveRegistry {
    current: ArcSwap<RegistrySnapshot>,
    writer: Mutex<()>,
}

impl LiveRegistry {
    /// Makes an empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self {
            current: ArcSwap::from_pointee(RegistrySnapshot::empty()),
            writer: Mutex::new(()),
        }
    }
}

impl Default for LiveRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LiveRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveRegistry")
            .field("tools", &self.current.load().len())
            .finish()
    }
}

impl ToolRegistry for LiveRegistry {
    fn snapshot(&self) -> Arc<RegistrySnapshot> {
        self.current.load_full()
    }

    fn tool(&self, name: &str) -> Option<Arc<ToolEntry>> {
        self.current.load().get(name).cloned()
    }

    fn publish(&self, change: RegistryChange) -> RegistrationReport {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, report) = self.current.load().with(change);
        self.current.store(Arc::new(next));
        report
    }
}
