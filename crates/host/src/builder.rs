//! Builds a host: pure, starts nothing, and tells at once what does not fit.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_plugin_api::{Manifest, ManifestError, Plugin, PluginId, Tool, linked_plugins};
use serde_json::Value;

use crate::approval::{Approver, DecideLater};
use crate::audit::{AuditError, AuditSink, JsonlAudit, MemoryAudit, Redactor};
use crate::catalog::{Catalog, CatalogEvent, CatalogState, DurableCatalog};
use crate::clock::{Clock, SystemClock};
use crate::digest::Digest;
use crate::effects::{EffectPerformer, NoEffects};
use crate::engine::{Engine, EngineParts};
use crate::gate::{CapabilityGate, Policy, StandardGate};
use crate::host::{Definitions, Found, Host, Manifests, announce};
use crate::limits::Limits;
use crate::operator::OperatorId;
use crate::package::{Outline, Package, PackageError};
use crate::rank::{Precedence, Trust};
use crate::registry::{LiveRegistry, ToolRegistry};
use crate::runtime::{LinkedRuntime, PluginRuntime};
use crate::store::{FileStore, MemoryStore, StoreError};

/// Name of the audit trail in a state folder.
pub const AUDIT_FILE: &str = "audit.jsonl";

/// Says why a host could not be built. A broken plugin is never a reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The audit trail cannot be opened.
    #[error("cannot open the audit trail: {0}")]
    Audit(#[from] AuditError),
    /// Two plugins that are not on disk have one name.
    #[error("two plugins are called `{plugin}`")]
    DuplicatePlugin {
        /// The name.
        plugin: PluginId,
    },
    /// A linked plugin's manifest is invalid; its crate has to be mended.
    #[error("a linked plugin's manifest is invalid: {0}")]
    Manifest(#[from] ManifestError),
    /// The catalog cannot be opened.
    #[error("cannot open the catalog: {0}")]
    Store(#[from] StoreError),
}

impl BuildError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Audit(error) => error.code(),
            Self::DuplicatePlugin { .. } => "DUPLICATE_PLUGIN",
            Self::Manifest(_) => "MANIFEST_INVALID",
            Self::Store(error) => error.code(),
        }
    }

    /// Returns what to do next, one sentence each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Audit(error) => error.hints().into_iter().map(str::to_owned).collect(),
            Self::DuplicatePlugin { .. } => vec!["name only one of them to the builder".to_owned()],
            Self::Manifest(_) => vec!["run `keyway check` on the plugin".to_owned()],
            Self::Store(error) => error.hints(),
        }
    }
}

/// Collects what a host is made of. Everything has a default but the approver, which defaults to
/// leaving every decision to an operator at the terminal.
#[must_use = "call `.build()`"]
pub struct HostBuilder {
    name: String,
    version: String,
    state: State,
    audit: Option<Arc<dyn AuditSink>>,
    registry: Arc<dyn ToolRegistry>,
    gate: Option<Arc<dyn CapabilityGate>>,
    policy: Policy,
    effects: Arc<dyn EffectPerformer>,
    approver: Arc<dyn Approver>,
    operator: Option<OperatorId>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    redactor: Redactor,
    tools: Vec<Arc<dyn Tool>>,
    linked: Vec<Arc<dyn Plugin>>,
    takes_submitted: bool,
    declared: Vec<(String, Trust)>,
    folders: Vec<(PathBuf, Trust)>,
    runtimes: Vec<Arc<dyn PluginRuntime>>,
    settings: BTreeMap<PluginId, Value>,
}

enum State {
    Catalog(Arc<dyn Catalog>),
    Folder(PathBuf),
    Memory,
}

impl HostBuilder {
    pub(crate) fn new(name: String, version: String) -> Self {
        Self {
            name,
            version,
            state: State::Memory,
            audit: None,
            registry: Arc::new(LiveRegistry::new()),
            gate: None,
            policy: Policy::standard(),
            effects: Arc::new(NoEffects),
            approver: Arc::new(DecideLater),
            operator: None,
            clock: Arc::new(SystemClock::new()),
            limits: Limits::default(),
            redactor: Redactor::new(),
            tools: Vec::new(),
            linked: Vec::new(),
            takes_submitted: false,
            declared: Vec::new(),
            folders: Vec::new(),
            runtimes: Vec::new(),
            settings: BTreeMap::new(),
        }
    }

    /// Keeps the catalog and the audit trail in a folder, made if it is not there. Without it the
    /// host keeps both in memory.
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = State::Folder(folder.into());
        self
    }

    /// Uses a catalog of the embedder's own.
    pub fn catalog(mut self, catalog: impl Catalog) -> Self {
        self.state = State::Catalog(Arc::new(catalog));
        self
    }

    /// Uses an audit trail of the embedder's own.
    pub fn audit(mut self, audit: impl AuditSink) -> Self {
        self.audit = Some(Arc::new(audit));
        self
    }

    /// Uses a registry of the embedder's own.
    pub fn registry(mut self, registry: impl ToolRegistry) -> Self {
        self.registry = Arc::new(registry);
        self
    }

    /// Uses a gate of the embedder's own in place of [`StandardGate`].
    pub fn gate(mut self, gate: impl CapabilityGate) -> Self {
        self.gate = Some(Arc::new(gate));
        self
    }

    /// Sets the policy of the standard gate, and the least enforcement per trust tier.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what performs permitted effects; `keyway-effects` has the usual ones.
    pub fn effects(mut self, effects: impl EffectPerformer) -> Self {
        self.effects = Arc::new(effects);
        self
    }

    /// Sets who decides on approvals.
    pub fn approver(mut self, approver: impl Approver) -> Self {
        self.approver = Arc::new(approver);
        self
    }

    /// Sets the name under which operations and the approver's decisions are recorded, where they
    /// name nobody themselves; `host` by default.
    pub fn operator(mut self, operator: OperatorId) -> Self {
        self.operator = Some(operator);
        self
    }

    /// Sets the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Shares a redactor, so that secrets it learns are kept out of the audit trail, out of notices, and
    /// out of what the catalog keeps of the arguments of a call that waits for an operator.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Adds a tool of the host's own. It needs no approval, and its name is taken before any
    /// plugin's.
    pub fn tool(mut self, tool: impl Tool) -> Self {
        self.tools.push(Arc::new(tool));
        self
    }

    /// Adds a linked plugin. It waits for approval like any other.
    pub fn plugin(mut self, plugin: impl Plugin) -> Self {
        self.linked.push(Arc::new(plugin));
        self
    }

    /// Adds every plugin that a linked crate submitted with `submit_plugin!`. They wait for
    /// approval like any other.
    pub fn submitted_plugins(mut self) -> Self {
        self.takes_submitted = true;
        self
    }

    /// Adds a plugin that is a manifest and nothing else on this machine, a remote MCP server for
    /// example. It waits for approval like any other; what is approved is the manifest's text.
    pub fn declared_plugin(mut self, manifest: impl Into<String>, trust: Trust) -> Self {
        self.declared.push((manifest.into(), trust));
        self
    }

    /// Adds every package in a folder; each subfolder with a `plugin.json` is one. A package that
    /// cannot be read is reported by [`Host::start`] and harms no other.
    pub fn plugins_dir(mut self, folder: impl Into<PathBuf>, trust: Trust) -> Self {
        self.folders.push((folder.into(), trust));
        self
    }

    /// Adds a runtime for plugins that are not linked.
    pub fn runtime(mut self, runtime: impl PluginRuntime) -> Self {
        self.runtimes.push(Arc::new(runtime));
        self
    }

    /// Sets a plugin's settings where no operator does
    /// ([`Operation::Configure`](crate::catalog::Operation::Configure)); they are held to the
    /// manifest's settings schema at start.
    pub fn settings(mut self, plugin: PluginId, settings: Value) -> Self {
        self.settings.insert(plugin, settings);
        self
    }

    /// Builds the host; starts nothing.
    ///
    /// # Errors
    /// [`BuildError`] for what the embedder or the environment got wrong. A broken package is not
    /// among it.
    pub fn build(mut self) -> Result<Host, BuildError> {
        let (catalog, events) = self.open_catalog()?;
        let audit = self.open_audit()?;
        let (linked, mut found) = self.collect_linked()?;
        let (manifests, broken) = self.collect_folders(&catalog.snapshot(), &mut found);
        self.runtimes.insert(0, Arc::new(linked));
        let gate = self
            .gate
            .unwrap_or_else(|| Arc::new(StandardGate::new(self.policy)));
        let engine = Engine::new(EngineParts {
            registry: self.registry,
            gate,
            audit,
            catalog,
            effects: self.effects,
            approver: self.approver,
            redactor: self.redactor,
            clock: self.clock,
            limits: self.limits,
        });
        for event in events {
            announce(&engine, event);
        }
        if let State::Folder(folder) = &self.state {
            engine.shown.keep_definitions(Definitions::below(folder));
        }
        Ok(Host::assemble(crate::host::HostParts {
            name: self.name,
            version: self.version,
            engine,
            runtimes: self.runtimes,
            found,
            manifests: Manifests::of(manifests),
            broken,
            policy: self.policy,
            operator: self.operator.unwrap_or_else(OperatorId::host),
            tools: self.tools,
            settings: self.settings,
        }))
    }

    fn open_catalog(&self) -> Result<(Arc<dyn Catalog>, Vec<CatalogEvent>), StoreError> {
        let clock = Arc::clone(&self.clock);
        let (catalog, events) = match &self.state {
            State::Catalog(catalog) => return Ok((Arc::clone(catalog), Vec::new())),
            State::Folder(folder) => DurableCatalog::open(FileStore::open(folder)?, clock)?,
            State::Memory => DurableCatalog::open(MemoryStore::new(), clock)?,
        };
        Ok((Arc::new(catalog), events))
    }

    fn open_audit(&mut self) -> Result<Arc<dyn AuditSink>, AuditError> {
        if let Some(audit) = self.audit.take() {
            return Ok(audit);
        }
        let clock = Arc::clone(&self.clock);
        match &self.state {
            State::Folder(folder) => {
                let path = folder.join(AUDIT_FILE);
                let audit = JsonlAudit::open(path, clock, self.redactor.clone())?;
                Ok(Arc::new(audit))
            }
            _ => Ok(Arc::new(MemoryAudit::new())),
        }
    }

    /// Reads the manifests of plugins that are not on disk; their code does not run.
    fn collect_linked(&mut self) -> Result<(LinkedRuntime, Vec<Found>), BuildError> {
        let mut runtime = LinkedRuntime::new();
        let mut found = Vec::new();
        let mut plugins = std::mem::take(&mut self.linked);
        if self.takes_submitted {
            plugins.extend(linked_plugins().map(|submitted| Arc::from(submitted.make())));
        }
        for plugin in plugins {
            let text = plugin.manifest().into_owned();
            let linked = in_memory(&text, Trust::Trusted)?;
            let name = linked.package.manifest.name().clone();
            if runtime.add(name.clone(), plugin).is_err() {
                return Err(BuildError::DuplicatePlugin { plugin: name });
            }
            found.push(linked);
        }
        for (text, trust) in &self.declared {
            let declared = in_memory(text, *trust)?;
            let name = declared.package.manifest.name();
            if found.iter().any(|f| f.package.manifest.name() == name) {
                let plugin = name.clone();
                return Err(BuildError::DuplicatePlugin { plugin });
            }
            found.push(declared);
        }
        found.sort_by(|a, b| a.package.manifest.name().cmp(b.package.manifest.name()));
        Ok((runtime, found))
    }

    /// Finds the packages of the folders; one on disk stands in for linked code of its name. Returns
    /// the manifests of those that are in the catalog, and what cannot be read.
    fn collect_folders(
        &self,
        state: &CatalogState,
        found: &mut Vec<Found>,
    ) -> (Vec<Arc<Manifest>>, Vec<(PathBuf, PackageError)>) {
        let (mut manifests, mut broken) = (Vec::new(), Vec::new());
        for (folder, trust) in &self.folders {
            for path in packages_in(folder) {
                match self.collect(&path, *trust, state, found) {
                    Ok(manifest) => manifests.extend(manifest),
                    Err(error) => broken.push((path, error)),
                }
            }
        }
        (manifests, broken)
    }

    /// Reads a package that is new. Of one that was installed from a folder no more than the
    /// manifest is read, and returned: it stays what it was until a reload, and a runtime holds what
    /// it runs to the approved digest.
    fn collect(
        &self,
        path: &Path,
        trust: Trust,
        state: &CatalogState,
        found: &mut Vec<Found>,
    ) -> Result<Option<Arc<Manifest>>, PackageError> {
        let outline = Outline::of(path, &self.limits)?;
        let name = outline.manifest.name().clone();
        let entry = state.entry(&name);
        if entry.is_some_and(|entry| entry.source_path.is_some()) {
            outline.check()?;
            found.retain(|other| *other.package.manifest.name() != name);
            return Ok(Some(Arc::new(outline.manifest)));
        }
        let package = outline.read()?;
        found.retain(|other| *other.package.manifest.name() != name);
        found.push(Found {
            package,
            precedence: Precedence::User,
            trust,
            is_on_disk: true,
        });
        Ok(None)
    }
}

/// Reads the manifest of a plugin that is not on disk.
fn in_memory(text: &str, trust: Trust) -> Result<Found, ManifestError> {
    let (manifest, notices) = Manifest::parse(text.as_bytes())?;
    let package = Package {
        folder: PathBuf::new(),
        manifest,
        notices,
        digest: Digest::of(text.as_bytes()),
        has_mcp: false,
        brings: Vec::new(),
        files: BTreeMap::new(),
    };
    Ok(Found {
        package,
        precedence: Precedence::Builtin,
        trust,
        is_on_disk: false,
    })
}

/// Lists the subfolders that hold a manifest, sorted.
fn packages_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let holds_manifest = |path: &PathBuf| {
        std::fs::symlink_metadata(path.join(crate::package::MANIFEST_FILE)).is_ok()
    };
    let mut packages: Vec<_> = entries.map(|e| e.path()).filter(holds_manifest).collect();
    packages.sort();
    packages
}

impl fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
