//! A host in memory with everything a test wants to look at.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use keyway_host::audit::{AuditEvent, MemoryAudit};
use keyway_host::caller::Caller;
use keyway_host::catalog::{CatalogState, DurableCatalog, Grant, Operation, StateDecision};
use keyway_host::clock::Clock;
use keyway_host::operator::OperatorId;
use keyway_host::scope::Scope;
use keyway_host::store::MemoryStore;
use keyway_host::view::{CallArguments, View};
use keyway_host::{CallError, Host, HostBuilder, HostError, OperationReport, Outcome, StartReport};
use keyway_plugin_api::{Capability, Plugin, PluginId};
use serde_json::Value;

use crate::linked::Linked;
use crate::{FakeClock, RecordedEffects, ScriptedApprover};

/// When a test host's clock starts, in Unix milliseconds.
const BEGINNING_MS: i64 = 1_700_000_000_000;

/// A host in memory: a clock that stands still, effects that are written down, an operator that
/// follows a script, an audit trail to read.
///
/// ```
/// use keyway_plugin_api::serde_json::json;
/// use keyway_plugin_api::tool;
/// use keyway_test_support::TestHost;
///
/// /// Says hello.
/// #[tool(effect = read)]
/// fn hello() -> String {
///     "hello".to_owned()
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let host = TestHost::builder().configure(|host| host.tool(Hello)).start().await;
/// assert_eq!(host.call("hello", json!({})).await.unwrap(), json!("hello"));
/// # });
/// ```
pub struct TestHost {
    host: Host,
    parts: Parts,
    report: StartReport,
}

/// What a test host shares with the host inside it.
struct Parts {
    audit: Arc<MemoryAudit>,
    effects: Arc<RecordedEffects>,
    approver: Arc<ScriptedApprover>,
    clock: FakeClock,
    store: MemoryStore,
    folder: Option<PathBuf>,
    agent: Scope,
}

impl TestHost {
    /// Begins a test host.
    pub fn builder() -> TestHostBuilder {
        TestHostBuilder::new()
    }

    /// Starts a host with one linked plugin, approved with its required requests.
    ///
    /// # Panics
    /// When the plugin does not run then.
    pub async fn with(plugin: impl Plugin) -> Self {
        let host = Self::builder().plugin(plugin).start().await;
        let failed: Vec<_> = host.report.failures().collect();
        assert!(
            failed.is_empty() && host.report.plugins.iter().any(|p| p.is_running()),
            "the plugin does not run: {:#?}",
            host.report
        );
        host
    }

    /// Returns the host itself.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns what the start reported.
    #[must_use]
    pub fn report(&self) -> &StartReport {
        &self.report
    }

    /// Returns the view of the agent that [`TestHost::call`] calls as.
    #[must_use]
    pub fn view(&self) -> View {
        self.host.view(self.parts.agent.clone())
    }

    /// Returns the view of another caller.
    #[must_use]
    pub fn view_for(&self, caller: Caller) -> View {
        self.host.view_for(caller)
    }

    /// Calls a tool as the agent and gives its result as JSON.
    ///
    /// # Errors
    /// [`CallError`], as [`View::call`].
    ///
    /// # Panics
    /// When the call waits for an operator: script the approver, or use [`TestHost::outcome`].
    pub async fn call(
        &self,
        tool: &str,
        arguments: impl Into<CallArguments<'_>>,
    ) -> Result<Value, CallError> {
        match self.outcome(tool, arguments).await? {
            Outcome::Done(output) => Ok(output.to_value()),
            waits => panic!("`{tool}` waits for an operator: {waits:?}"),
        }
    }

    /// Calls a tool as the agent.
    ///
    /// # Errors
    /// [`CallError`], as [`View::call`].
    pub async fn outcome(
        &self,
        tool: &str,
        arguments: impl Into<CallArguments<'_>>,
    ) -> Result<Outcome, CallError> {
        self.view().call(tool, arguments).await
    }

    /// Carries out an operation.
    ///
    /// # Errors
    /// [`HostError`], as [`Host::run`].
    pub async fn run(&self, operation: Operation) -> Result<OperationReport, HostError> {
        self.host.run(&operation).await
    }

    /// Grants a tag to every plugin whose manifest asks for it.
    ///
    /// # Panics
    /// When `tag` is no tag, when no plugin asks for it, when the host refuses.
    pub async fn grant(&self, tag: &str) {
        self.grant_with(tag, |grant| grant).await;
    }

    /// Grants a tag as [`TestHost::grant`] does, with an end, a scope or a number of uses.
    ///
    /// # Panics
    /// As [`TestHost::grant`].
    pub async fn grant_with(&self, tag: &str, change: impl Fn(Grant) -> Grant) {
        let capability = capability(tag);
        let state = self.host.catalog();
        let asks = |id: &&PluginId| {
            let requests = state.entry(id).map(|e| &e.keyway.declared.requests);
            let mut asked = requests.into_iter().flatten();
            asked.any(|request| request.capability.covers(&capability))
        };
        let plugins: Vec<_> = state.entries.keys().filter(asks).cloned().collect();
        assert!(!plugins.is_empty(), "no plugin asks for {tag}");
        for plugin in plugins {
            let everywhere = Scope::everywhere();
            let grant = Grant::new(capability.clone(), self.operator(), 0, everywhere);
            let grant = change(grant);
            self.must(Operation::GrantOne { plugin, grant }).await;
        }
    }

    /// Takes a grant back from every plugin that holds it.
    ///
    /// # Panics
    /// When no plugin holds it, when the host refuses.
    pub async fn revoke_grant(&self, tag: &str) {
        let capability = capability(tag);
        let state = self.host.catalog();
        let holds = |id: &&PluginId| {
            let grants = state.entry(id).map(|e| &e.keyway.grants);
            let mut held = grants.into_iter().flatten();
            held.any(|grant| grant.capability.covers(&capability))
        };
        let plugins: Vec<_> = state.entries.keys().filter(holds).cloned().collect();
        assert!(!plugins.is_empty(), "no plugin holds {tag}");
        for plugin in plugins {
            let (tag, by) = (tag.to_owned(), self.operator());
            self.must(Operation::RevokeGrant { plugin, tag, by }).await;
        }
    }

    /// Ends a plugin for good.
    ///
    /// # Panics
    /// When the host refuses.
    pub async fn revoke(&self, plugin: &str) {
        let (plugin, by) = (plugin_id(plugin), self.operator());
        let reason = "a test said so".to_owned();
        self.must(Operation::Revoke { plugin, by, reason }).await;
    }

    /// Switches a plugin on.
    ///
    /// # Panics
    /// When the host refuses.
    pub async fn enable(&self, plugin: &str) {
        let plugin = plugin_id(plugin);
        self.must(Operation::Enable { plugin }).await;
    }

    /// Switches a plugin off.
    ///
    /// # Panics
    /// When the host refuses.
    pub async fn disable(&self, plugin: &str) {
        let (plugin, cascade) = (plugin_id(plugin), false);
        self.must(Operation::Disable { plugin, cascade }).await;
    }

    /// Removes a plugin and leaves its state where it is.
    ///
    /// # Panics
    /// When the host refuses.
    pub async fn uninstall(&self, plugin: &str) {
        self.must(Operation::Uninstall {
            plugin: plugin_id(plugin),
            cascade: false,
            state: Some(StateDecision::Keep),
        })
        .await;
    }

    async fn must(&self, operation: Operation) {
        if let Err(error) = self.host.run(&operation).await {
            panic!("{operation:?} was refused: {error}");
        }
    }

    /// Returns the operator that the kit acts as.
    #[must_use]
    pub fn operator(&self) -> OperatorId {
        OperatorId::host()
    }

    /// Returns every audit event so far.
    #[must_use]
    pub fn audit_events(&self) -> Vec<AuditEvent> {
        self.parts.audit.events()
    }

    /// Returns the audit trail: it can be emptied, and made to fail.
    #[must_use]
    pub fn audit(&self) -> &Arc<MemoryAudit> {
        &self.parts.audit
    }

    /// Returns the world that plugins act on.
    #[must_use]
    pub fn effects(&self) -> &Arc<RecordedEffects> {
        &self.parts.effects
    }

    /// Returns the operator's script.
    #[must_use]
    pub fn approver(&self) -> &Arc<ScriptedApprover> {
        &self.parts.approver
    }

    /// Returns the clock, which moves only when told.
    #[must_use]
    pub fn clock(&self) -> &FakeClock {
        &self.parts.clock
    }

    /// Returns where the catalog lies, unless that is a folder; another test host on it is this
    /// one after a restart.
    #[must_use]
    pub fn store(&self) -> MemoryStore {
        self.parts.store.clone()
    }

    /// Returns the catalog as it is now.
    #[must_use]
    pub fn catalog(&self) -> Arc<CatalogState> {
        self.host.catalog()
    }
}

impl fmt::Debug for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHost")
            .field("host", &self.host)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Collects what a [`TestHost`] is made of.
#[must_use = "call `.start().await`"]
pub struct TestHostBuilder {
    host: HostBuilder,
    parts: Parts,
}

impl TestHostBuilder {
    fn new() -> Self {
        Self {
            host: Host::builder("test-host", env!("CARGO_PKG_VERSION")),
            parts: Parts {
                audit: Arc::default(),
                effects: Arc::default(),
                approver: Arc::new(ScriptedApprover::approving()),
                clock: FakeClock::at(BEGINNING_MS),
                store: MemoryStore::new(),
                folder: None,
                agent: Scope::everywhere(),
            },
        }
    }

    /// Adds a linked plugin. One whose manifest says `process` is linked too, for the test.
    pub fn plugin(self, plugin: impl Plugin) -> Self {
        self.configure(|host| host.plugin(Linked(plugin)))
    }

    /// Sets the operator's script; by default it says yes to everything.
    pub fn approver(mut self, approver: ScriptedApprover) -> Self {
        self.parts.approver = Arc::new(approver);
        self
    }

    /// Sets the world that plugins act on.
    pub fn effects(mut self, effects: Arc<RecordedEffects>) -> Self {
        self.parts.effects = effects;
        self
    }

    /// Sets the clock.
    pub fn clock(mut self, clock: FakeClock) -> Self {
        self.parts.clock = clock;
        self
    }

    /// Sets where the catalog lies.
    pub fn store(mut self, store: MemoryStore) -> Self {
        self.parts.store = store;
        self
    }

    /// Keeps the catalog in a folder; the audit trail stays in memory.
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.parts.folder = Some(folder.into());
        self
    }

    /// Sets the agent that [`TestHost::call`] calls as, for example `acme/support/triage`; by
    /// default it stands everywhere.
    ///
    /// # Panics
    /// When `scope` is none.
    #[track_caller]
    pub fn agent(mut self, scope: &str) -> Self {
        self.parts.agent = match scope.parse() {
            Ok(scope) => scope,
            Err(error) => panic!("{error}"),
        };
        self
    }

    /// Sets anything else of the host's builder: tools, policy, limits, runtimes, folders.
    pub fn configure(mut self, change: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        self.host = change(self.host);
        self
    }

    /// Builds the host and starts it.
    ///
    /// # Panics
    /// When it cannot be built. What becomes of the plugins is in [`TestHost::report`].
    pub async fn start(self) -> TestHost {
        let mut built = self.build();
        built.report = built.host.start().await;
        built
    }

    /// Builds the host and starts nothing.
    ///
    /// # Panics
    /// When it cannot be built.
    #[track_caller]
    pub fn build(self) -> TestHost {
        let parts = self.parts;
        let host = match &parts.folder {
            Some(folder) => self.host.state_dir(folder),
            None => self.host.catalog(memory_catalog(&parts)),
        };
        let built = host
            .audit(Arc::clone(&parts.audit))
            .effects(Arc::clone(&parts.effects))
            .approver(Arc::clone(&parts.approver))
            .clock(parts.clock.clone())
            .build();
        let host = match built {
            Ok(host) => host,
            Err(error) => panic!("{error}"),
        };
        let report = StartReport::default();
        TestHost {
            host,
            parts,
            report,
        }
    }
}

impl fmt::Debug for TestHostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHostBuilder")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

#[track_caller]
fn memory_catalog(parts: &Parts) -> DurableCatalog {
    let clock: Arc<dyn Clock> = Arc::new(parts.clock.clone());
    match DurableCatalog::open(parts.store.clone(), clock) {
        Ok((catalog, _)) => catalog,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
pub(crate) fn plugin_id(name: &str) -> PluginId {
    match PluginId::parse(name) {
        Ok(id) => id,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn capability(tag: &str) -> Capability {
    match Capability::parse_tag(tag) {
        Ok(capability) => capability,
        Err(error) => panic!("{error}"),
    }
}
