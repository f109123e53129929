//! A session whose host runs the plugins of the state folder, for as long as one command takes.

use std::path::Path;
use std::sync::Arc;

use keyway_effects::Effects;
use keyway_effects::secrets::{EnvSecrets, SecretError, SecretStore};
use keyway_host::audit::Redactor;
use keyway_host::explain::Explanation;
use keyway_host::scope::Scope;
use keyway_host::view::{Listing, View};
use keyway_host::{CallError, HostBuilder, Outcome, StartReport};
use keyway_plugin_api::SecretValue;

use super::{Session, runtimes};
use crate::args::Global;
use crate::failure::Failure;

/// A session with a started host.
pub(crate) struct Running {
    session: Session,
    report: StartReport,
    view: View,
}

impl Running {
    /// Opens the state folder and starts its plugins. One that does not start is in the report and
    /// keeps no other from starting.
    pub(crate) fn start(global: &Global, scope: Scope) -> Result<Self, Failure> {
        let idle = Session::open(global)?;
        if idle.state().entries.is_empty() {
            // Nothing to start leaves nothing behind, not even a folder.
            let (view, report) = (idle.host.view(scope), StartReport::default());
            let session = idle;
            return Ok(Self {
                session,
                report,
                view,
            });
        }
        Ok(Self::of(Session::over(global, equipped)?, scope))
    }

    fn of(session: Session, scope: Scope) -> Self {
        let view = session.host.view(scope);
        let report = session.runtime.block_on(session.host.start());
        Self {
            session,
            report,
            view,
        }
    }

    /// Returns the session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Returns what became of each plugin.
    pub(crate) fn report(&self) -> &StartReport {
        &self.report
    }

    /// Lists what the caller may call now.
    pub(crate) fn list(&self) -> Arc<Listing> {
        self.view.list()
    }

    /// Calls a tool as the caller, through the gate like any agent.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> Result<Outcome, CallError> {
        let call = self.view.call(tool, arguments);
        self.session.runtime.block_on(call)
    }

    /// Says whether a call would pass, and why.
    pub(crate) fn explain(&self, tool: &str) -> Explanation {
        self.view.explain(tool)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let session = &self.session;
        if !self.report.plugins.is_empty() {
            session.runtime.block_on(session.host.shutdown());
        }
    }
}

/// Gives a host what running plugins need.
pub(super) fn equipped(
    builder: HostBuilder,
    dir: &Path,
    redactor: &Redactor,
) -> Result<HostBuilder, Failure> {
    let here = std::env::current_dir()
        .map_err(|e| Failure::new("EFFECTS_FAILED", format_args!("no current folder: {e}")))?;
    let effects = Effects::builder(dir)
        .files_base(here)
        .secrets(Environment)
        .redactor(redactor.clone())
        .build()
        .map_err(|e| Failure::new(e.code(), e))?;
    let builder = builder.effects(effects).redactor(redactor.clone());
    Ok(runtimes::runtimes(dir)?
        .into_iter()
        .fold(builder, HostBuilder::runtime))
}

/// Secrets out of the environment variables of their names. The gate has seen the grant of each
/// name that is asked for here.
struct Environment;

impl SecretStore for Environment {
    fn read(&self, name: &str) -> Result<Option<SecretValue>, SecretError> {
        EnvSecrets::new().allow(name, name)?.read(name)
    }
}

/// For tests of commands: what runs is linked into them.
#[cfg(test)]
impl Running {
    pub(crate) fn linked(
        global: &Global,
        scope: Scope,
        plugin: impl keyway_plugin_api::Plugin,
    ) -> Result<Self, Failure> {
        let with_plugin = |builder: HostBuilder, dir: &Path, redactor: &Redactor| {
            equipped(builder.plugin(plugin), dir, redactor)
        };
        Ok(Self::of(Session::over(global, with_plugin)?, scope))
    }
}
