//! The host: what an embedder builds, starts, asks for views, and changes.
//!
//! The files follow the life of a host: `outcome` (what starting reports), `live` (what runs),
//! `holdings` (from the catalog to what the gate reads), `start`, `change` (every operation),
//! `reload` (following a source), `probation` (versions that have
//! just taken over), `definitions` (what pinned tools said of themselves), `shown` (what is visible of what runs, also when it fails), `layout` (the version of plugins' state), `follow` (following the
//! catalog file), `approve` (calls that
//! wait), `trail` (what the audit trail is told about the catalog).

mod approve;
mod builtin;
mod change;
mod compatible;
mod definitions;
mod error;
mod follow;
mod holdings;
pub(crate) mod layout;
mod live;
mod manifests;
mod mend;
mod outcome;
mod probation;
mod reload;
pub(crate) mod shown;
mod start;
mod trail;
mod withheld;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_plugin_api::{PluginId, Tool};
use serde_json::Value;
use tokio::sync::{Mutex, broadcast, watch};

pub(crate) use approve::Consent;
pub use change::OperationReport;
pub(crate) use definitions::Definitions;
pub use error::HostError;
pub(crate) use holdings::refresh_holdings;
pub(crate) use manifests::Manifests;
pub use outcome::{PluginOutcome, PluginStatus, StartReport};
pub use reload::ReloadMode;
pub(crate) use trail::announce;

use crate::audit::AuditEvent;
use crate::builder::HostBuilder;
use crate::caller::Caller;
use crate::catalog::{CatalogError, CatalogState, Operation, Plan};
use crate::engine::Engine;
use crate::gate::Policy;
use crate::notice::Notice;
use crate::operator::OperatorId;
use crate::package::{Package, PackageError};
use crate::rank::{Precedence, Trust};
use crate::registry::RegistrySnapshot;
use crate::runtime::PluginRuntime;
use crate::scope::Scope;
use crate::view::View;

/// A host is one plugin platform inside an agent runtime.
///
/// It is cheap to share in an `Arc`. Building starts nothing; [`Host::start`] starts what the
/// catalog says; views are what agents get. See the crate's first page for a whole program.
pub struct Host {
    name: String,
    version: String,
    engine: Arc<Engine>,
    runtimes: Vec<Arc<dyn PluginRuntime>>,
    found: Vec<Found>,
    manifests: Manifests,
    broken: Vec<(PathBuf, PackageError)>,
    policy: Policy,
    operator: OperatorId,
    settings: BTreeMap<PluginId, Value>,
    /// One operation at a time; holds what runs.
    live: Mutex<BTreeMap<PluginId, live::Live>>,
    /// Plugins that ran and were stopped since the host started; for the trail.
    stopped: std::sync::Mutex<BTreeSet<PluginId>>,
    is_started: AtomicBool,
}

/// A plugin that was named to the builder and is to be in the catalog.
pub(crate) struct Found {
    pub(crate) package: Package,
    pub(crate) precedence: Precedence,
    pub(crate) trust: Trust,
    pub(crate) is_on_disk: bool,
}

/// What a [`Host`] is made of; the builder fills it.
pub(crate) struct HostParts {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) engine: Engine,
    pub(crate) runtimes: Vec<Arc<dyn PluginRuntime>>,
    pub(crate) found: Vec<Found>,
    pub(crate) manifests: Manifests,
    pub(crate) broken: Vec<(PathBuf, PackageError)>,
    pub(crate) policy: Policy,
    pub(crate) operator: OperatorId,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) settings: BTreeMap<PluginId, Value>,
}

impl Host {
    /// Begins to build a host for an agent runtime of this name and version.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> HostBuilder {
        HostBuilder::new(name.into(), version.into())
    }

    pub(crate) fn assemble(parts: HostParts) -> Self {
        let host = Self {
            name: parts.name,
            version: parts.version,
            engine: Arc::new(parts.engine),
            runtimes: parts.runtimes,
            found: parts.found,
            manifests: parts.manifests,
            broken: parts.broken,
            policy: parts.policy,
            operator: parts.operator,
            settings: parts.settings,
            live: Mutex::default(),
            stopped: std::sync::Mutex::default(),
            is_started: AtomicBool::new(false),
        };
        holdings::refresh_all(&host.engine);
        builtin::publish(&host.engine, parts.tools);
        host
    }

    /// Returns the agent runtime's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the agent runtime's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what an agent at this scope may see and call.
    #[must_use]
    pub fn view(&self, scope: Scope) -> View {
        self.view_for(Caller::agent(scope))
    }

    /// Returns what a caller may see and call.
    #[must_use]
    pub fn view_for(&self, caller: Caller) -> View {
        View::new(Arc::clone(&self.engine), caller)
    }

    /// Returns the catalog as it is now.
    #[must_use]
    pub fn catalog(&self) -> Arc<CatalogState> {
        self.engine.catalog.snapshot()
    }

    /// Returns the registry as it is now: every tool of every plugin that runs.
    #[must_use]
    pub fn registry(&self) -> Arc<RegistrySnapshot> {
        self.engine.registry.snapshot()
    }

    /// Plans an operation and changes nothing; [`Host::apply`] carries the plan out.
    ///
    /// # Errors
    /// Any [`CatalogError`]: what the operation would be refused for.
    pub fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        compatible::check(operation)?;
        self.engine.catalog.plan(operation)
    }

    /// Watches what can be called: the number goes up by one with each change and with nothing
    /// else (R6).
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.engine.changes.subscribe()
    }

    /// Listens to what operators should know: a plugin failed, came back, lost a tool. The same is
    /// in the audit trail.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.engine.notices.subscribe()
    }

    /// Tells whether [`Host::start`] has run.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.is_started.load(Ordering::Acquire)
    }

    /// Stops every plugin, last started first, and records that the host stopped.
    pub async fn shutdown(&self) {
        let mut live = self.live.lock().await;
        let running = live::last_first(std::mem::take(&mut *live));
        let ids: Vec<_> = running.iter().map(|(id, _)| id.clone()).collect();
        live::withdraw(&self.engine, &ids);
        for (_, live) in running {
            live::stop(&self.engine, live).await;
        }
        if self.is_started.swap(false, Ordering::AcqRel) {
            self.engine.audit.record(AuditEvent::HostStopped);
        }
        let audit = Arc::clone(&self.engine.audit);
        // A trail that cannot be flushed reports itself through its health.
        let _flushed = tokio::task::spawn_blocking(move || audit.flush()).await;
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.name)
            .field("is_started", &self.is_started())
            .finish_non_exhaustive()
    }
}
