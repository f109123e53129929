//! A host for one package that is being written: everything it asks for is granted, in a state
//! folder that goes away with the command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keyway_host::approval::ApproveAll;
use keyway_host::audit::Redactor;
use keyway_host::catalog::{Approval, GrantSelection, Operation};
use keyway_host::digest::Digest;
use keyway_host::gate::Policy;
use keyway_host::limits::Limits;
use keyway_host::operator::OperatorId;
use keyway_host::package::Package;
use keyway_host::rank::Trust;
use keyway_host::runtime::Enforcement;
use keyway_host::scope::Scope;
use keyway_host::{CallError, Host, Outcome, PluginStatus};
use keyway_plugin_api::{PluginId, ToolDescriptor};
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::running::equipped;
use crate::failure::Failure;
use crate::lookup::package_in;

/// A package under development, and the host that runs it.
pub(crate) struct Development {
    folder: PathBuf,
    plugin: PluginId,
    digest: Digest,
    tools: BTreeMap<String, ToolDescriptor>,
    runtime: Runtime,
    host: Host,
    _state: TempDir,
}

/// What one round of changes came to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Round {
    /// Whether the package runs as it is now.
    pub(crate) success: bool,
    /// What happened, for the author.
    pub(crate) message: String,
    /// Tools that are new.
    pub(crate) added: Vec<String>,
    /// Tools that are described otherwise.
    pub(crate) redefined: Vec<String>,
    /// What those say otherwise, a line each.
    pub(crate) changes: Vec<String>,
    /// Tools that are gone.
    pub(crate) removed: Vec<String>,
}

impl Development {
    /// Makes a host around a package; starts nothing.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let folder = if path.is_file() {
            path.parent().unwrap_or(path).to_owned()
        } else {
            package_in(path)
        };
        let package = Package::read(&folder, &Limits::default())?;
        let state = TempDir::new().map_err(|e| Failure::new("STATE_FAILED", e))?;
        // Plugins are looked after while the command waits for the author.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| Failure::new("RUNTIME_FAILED", format_args!("cannot start: {e}")))?;
        Ok(Self {
            plugin: package.manifest.name().clone(),
            digest: package.digest,
            tools: BTreeMap::new(),
            host: host(state.path())?,
            runtime,
            folder,
            _state: state,
        })
    }

    /// Installs the package, grants what it asks for and starts it.
    pub(crate) fn start(&mut self) -> Result<Round, Failure> {
        let candidate = Package::read(&self.folder, &Limits::default())?.candidate();
        let candidate = Box::new(candidate.with_trust(Trust::Community));
        let install = Operation::Install { candidate };
        self.runtime.block_on(self.host.run(&install))?;
        let state = self.host.catalog();
        let waits = state
            .entry(&self.plugin)
            .is_some_and(|entry| !entry.is_live());
        if waits {
            self.runtime.block_on(self.host.run(&self.approval()?))?;
        }
        let report = self.runtime.block_on(self.host.start());
        let outcome = report.plugin(self.plugin.as_str());
        let (success, message) = match outcome.map(|outcome| &outcome.status) {
            Some(PluginStatus::Running { enforcement, .. }) => {
                (true, format!("{} runs ({enforcement})", self.plugin))
            }
            Some(PluginStatus::Failed { reason, .. }) => {
                (false, format!("{} does not run: {reason}", self.plugin))
            }
            _ => (true, format!("{} has nothing to run", self.plugin)),
        };
        Ok(self.round(success, message))
    }

    /// Follows the folder, where it holds another package by now.
    pub(crate) fn reload(&mut self) -> Result<Option<Round>, Failure> {
        let package = match Package::read(&self.folder, &Limits::default()) {
            Ok(package) => package,
            Err(error) => return Ok(Some(self.round(false, error.to_string()))),
        };
        if package.digest == self.digest {
            return Ok(None);
        }
        self.digest = package.digest;
        let reloaded = self.runtime.block_on(self.follow());
        Ok(Some(match reloaded {
            Ok(message) => self.round(true, message),
            Err(error) => self.round(false, format!("{error}; the version from before goes on")),
        }))
    }

    async fn follow(&self) -> Result<String, Failure> {
        let report = self.host.reload(&self.plugin).await?;
        let state = self.host.catalog();
        let waits = state
            .entry(&self.plugin)
            .is_some_and(|entry| entry.keyway.pending_update.is_some() || !entry.is_live());
        if !waits {
            return Ok(report.result.message);
        }
        let approved = self.host.run(&self.approval()?).await?;
        Ok(approved.result.message)
    }

    fn approval(&self) -> Result<Operation, Failure> {
        let mut approval = Approval::by(OperatorId::parse("author")?);
        approval.grants = GrantSelection::All;
        Ok(Operation::Approve {
            plugin: self.plugin.clone(),
            approval,
        })
    }

    /// Calls a tool of the package by its bare name, or any tool by its whole one.
    pub(crate) fn call(&mut self, tool: &str, arguments: &str) -> Result<Value, CallError> {
        let name = match tool.contains('/') {
            true => tool.to_owned(),
            false => format!("{}/{tool}", self.plugin),
        };
        let view = self.host.view(Scope::everywhere());
        match self.runtime.block_on(view.call(&name, arguments))? {
            Outcome::Done(output) => Ok(output.to_value()),
            waits => Ok(serde_json::json!({ "waits": format!("{waits:?}") })),
        }
    }

    fn round(&mut self, success: bool, message: String) -> Round {
        let listing = self.host.view(Scope::everywhere()).list();
        let now: BTreeMap<_, _> = listing
            .tools
            .iter()
            .map(|tool| (tool.id.clone(), tool.descriptor().clone()))
            .collect();
        let before = std::mem::replace(&mut self.tools, now);
        let now = &self.tools;
        let kept = now
            .iter()
            .filter_map(|(id, new)| Some((id, before.get(id)?, new)));
        let redefined: Vec<_> = kept.filter(|(_, old, new)| old != new).collect();
        let (old, new): (Vec<_>, Vec<_>) =
            redefined.iter().map(|(_, old, new)| (*old, *new)).unzip();
        Round {
            success,
            message,
            added: names(now.keys().filter(|name| !before.contains_key(*name))),
            redefined: names(redefined.iter().map(|(id, ..)| *id)),
            changes: keyway_host::text::changes(&old, &new),
            removed: names(before.keys().filter(|name| !now.contains_key(*name))),
        }
    }
}

impl Drop for Development {
    fn drop(&mut self) {
        self.runtime.block_on(self.host.shutdown());
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.cloned().collect()
}

/// Makes a host that grants everything: the author is the operator here, and what the package may
/// not do on another machine is not decided here.
fn host(state: &Path) -> Result<Host, Failure> {
    let builder = Host::builder("keyway-dev", env!("CARGO_PKG_VERSION"))
        .state_dir(state)
        .approver(ApproveAll)
        .policy(Policy::standard().with_minimum(Trust::Community, Enforcement::Declared));
    Ok(equipped(builder, state, &Redactor::new())?.build()?)
}
