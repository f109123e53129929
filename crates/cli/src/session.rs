//! The one place where a command meets the catalog and the audit trail.
//!
//! A session is a host that starts nothing, unless it is a [`Running`] one: operations take the
//! path that an embedder's take,
//! and are recorded like them. It never prints: commands do.

mod development;
mod ear;
mod running;
mod runtimes;
mod states;
mod trail;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_host::audit::{AuditError, AuditEvent, AuditSink, Filter, Record, Redactor, Trail};
use keyway_host::catalog::{Candidate, CatalogEntry, CatalogError, CatalogState, Operation, Plan};
use keyway_host::clock::{Clock, SystemClock};
use keyway_host::limits::Limits;
use keyway_host::operator::OperatorId;
use keyway_host::package::Package;
use keyway_host::{AUDIT_FILE, Host, HostBuilder, OperationReport};
use keyway_plugin_api::{LogLevel, PluginId};
use tokio::runtime::Runtime;

use self::ear::Ear;
use self::trail::LazyTrail;
use crate::args::Global;
use crate::failure::Failure;
use crate::nearest::nearest;

pub(crate) use self::development::{Development, Round};
pub(crate) use self::ear::Heard;
pub(crate) use self::running::Running;
pub(crate) use self::states::States;

/// An open state folder and the operator who acts on it.
pub(crate) struct Session {
    dir: PathBuf,
    operator: OperatorId,
    limits: Limits,
    host: Arc<Host>,
    runtime: Runtime,
    ear: Ear,
}

impl Session {
    /// Opens the state folder that the options name.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        Self::over(global, |builder, _, _| Ok(builder))
    }

    /// Opens the state folder with a host that has more to it.
    fn over(
        global: &Global,
        equip: impl FnOnce(HostBuilder, &Path, &Redactor) -> Result<HostBuilder, Failure>,
    ) -> Result<Self, Failure> {
        let dir = global.dir();
        let operator = operator(global)?;
        let redactor = Redactor::new();
        let ear = Ear::new(LazyTrail::of(&dir, redactor.clone()));
        let builder = Host::builder("keyway", env!("CARGO_PKG_VERSION"))
            .operator(operator.clone())
            .audit(ear.clone())
            .state_dir(&dir);
        let built = equip(builder, &dir, &redactor)?.build();
        let built = built.map_err(|error| {
            let failure = Failure::new(error.code(), &error);
            let failure = closed(failure, &dir, &error);
            error.hints().into_iter().fold(failure, Failure::hint)
        })?;
        Ok(Self {
            host: Arc::new(built),
            runtime: runtime()?,
            limits: Limits::default(),
            operator,
            dir,
            ear,
        })
    }

    /// Returns who acts.
    pub(crate) fn operator(&self) -> &OperatorId {
        &self.operator
    }

    /// Returns Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        SystemClock::new().now_ms()
    }

    /// Returns the state folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the host, to be served by somebody else.
    #[cfg(feature = "mcp")]
    pub(crate) fn shared_host(&self) -> Arc<Host> {
        Arc::clone(&self.host)
    }

    /// Runs something of the host's to its end.
    #[cfg(feature = "mcp")]
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Returns the catalog as it was when last read.
    pub(crate) fn state(&self) -> Arc<CatalogState> {
        self.host.catalog()
    }

    /// Returns how many plugins the trail knows of while the catalog is empty: it was lost.
    pub(crate) fn lost_plugins(&self) -> Result<usize, Failure> {
        if self.state().revision() > 0 {
            return Ok(0);
        }
        let replayed = trail_in(&self.dir)?
            .map(|trail| trail.replay())
            .transpose()?;
        let entries = replayed
            .as_ref()
            .and_then(|catalog| catalog.get("entries")?.as_object());
        Ok(entries.map_or(0, serde_json::Map::len))
    }

    /// Returns the last time a plugin failed, as the trail has it.
    pub(crate) fn last_failure(&self, plugin: &PluginId) -> Result<Option<Record>, Failure> {
        let filter = Filter::new().plugin(plugin.as_str()).event("plugin_failed");
        let Some(trail) = trail_in(&self.dir)? else {
            return Ok(None);
        };
        Ok(trail.last(1, &filter)?.pop())
    }

    /// Returns what an operator should hear about and has not heard yet.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.ear.take()
    }

    /// Returns one entry.
    pub(crate) fn entry(&self, plugin: &PluginId) -> Result<Arc<CatalogEntry>, Failure> {
        let state = self.state();
        if let Some(entry) = state.entries.get(plugin) {
            return Ok(Arc::clone(entry));
        }
        let absent = CatalogError::NotFound {
            plugin: plugin.clone(),
        };
        let failure = Failure::from(absent);
        match state.keyway.revocations.get(plugin) {
            None => Err(failure),
            Some(no) => Err(failure.detail(format!("it was revoked by {}: {}", no.by, no.reason))),
        }
    }

    /// Adds to a failure about a plugin that is not installed which one may have been meant.
    pub(crate) fn guess(&self, failure: Failure) -> Failure {
        if failure.code() != "PLUGIN_NOT_FOUND" {
            return failure;
        }
        let state = self.state();
        let installed = state.entries.keys().map(PluginId::as_str);
        let typed = failure.plugin().unwrap_or_default();
        match nearest(typed, installed).map(|near| format!("did you mean `{near}`?")) {
            Some(question) => failure.detail(question),
            None => failure,
        }
    }

    /// Returns what the plugins keep.
    pub(crate) fn states(&self) -> States {
        States::of(&self.dir)
    }

    /// Writes a fact about a plugin into the trail; durable when this returns.
    pub(crate) fn note(&self, plugin: &PluginId, fact: String) -> Result<(), Failure> {
        self.ear.record_durably(AuditEvent::Notice {
            level: LogLevel::Info,
            plugin: Some(plugin.clone()),
            message: fact.into(),
        })?;
        Ok(())
    }

    /// Reads the package in a folder.
    pub(crate) fn candidate(&self, folder: &Path) -> Result<Candidate, Failure> {
        Ok(Package::read(folder, &self.limits)?.candidate())
    }

    /// Reads the source of an installed plugin again.
    pub(crate) fn read_again(&self, plugin: &PluginId) -> Result<Candidate, Failure> {
        Ok(self.host.read_again(plugin)?)
    }

    /// Plans an operation; changes nothing.
    pub(crate) fn plan(&self, operation: &Operation) -> Result<Plan, Failure> {
        Ok(self.host.plan(operation)?)
    }

    /// Carries an operation out. Whatever it returns is on the disk by then, and in the trail.
    pub(crate) fn apply(&self, operation: &Operation) -> Result<OperationReport, Failure> {
        let done = self.runtime.block_on(self.host.run(operation))?;
        self.ear.flush().map_err(unrecorded)?;
        Ok(done)
    }
}

fn unrecorded(error: AuditError) -> Failure {
    Failure::from(error).detail("the change was made; only its record is missing")
}

fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    built.map_err(|e| Failure::new("RUNTIME_FAILED", format_args!("cannot start: {e}")))
}

/// Returns who acts: `--by`, else `$USER` where it is a name, else `operator`.
fn operator(global: &Global) -> Result<OperatorId, Failure> {
    if let Some(name) = &global.by {
        return Ok(OperatorId::parse(name)?);
    }
    let user = std::env::var("USER").ok();
    let user = user.and_then(|name| OperatorId::parse(&name).ok());
    match user {
        Some(user) => Ok(user),
        None => Ok(OperatorId::parse("operator")?),
    }
}

/// Opens the trail of the state folder to read; `None` when there is none yet.
pub(crate) fn trail(global: &Global) -> Result<Option<Trail>, Failure> {
    trail_in(&global.dir())
}

fn trail_in(dir: &Path) -> Result<Option<Trail>, Failure> {
    let path = dir.join(AUDIT_FILE);
    // A trail that this user must not see is not an absent one.
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) => Ok(Some(Trail::open(path)?)),
        Err(error) => Err(closed(
            Failure::new(
                "AUDIT_UNAVAILABLE",
                format_args!("cannot read {}: {error}", path.display()),
            ),
            dir,
            &error,
        )),
    }
}

/// Adds to a failure whose state folder it is, where that is why.
fn closed(failure: Failure, dir: &Path, error: &(dyn Error + 'static)) -> Failure {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let mut of_system = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    if !of_system.any(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        return failure;
    }
    let folder = dir.display();
    match owner(dir) {
        Some(user) => failure.detail(format!("{folder} belongs to user {user}")),
        None => failure,
    }
    .hint("run this as the user that the folder belongs to, or name another: --dir DIR")
}

/// Returns the number of the user that a folder belongs to.
#[cfg(unix)]
fn owner(dir: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Some(std::fs::metadata(dir).ok()?.uid())
}

#[cfg(not(unix))]
fn owner(_: &Path) -> Option<u32> {
    None
}
