//! Starts what the catalog says: failures are data, and the host always starts.

use keyway_plugin_api::{PluginId, Risk, ToolDescriptor};

use super::change::Reach;
use super::live::{self, Prepared};
use super::shown::told;
use super::{Found, Host, PluginOutcome, PluginStatus, StartReport};
use crate::approval::{ApprovalId, ApprovalRequest, ApprovalSubject, Decision};
use crate::audit::AuditEvent;
use crate::catalog::{Approval, Authority, Candidate, CatalogEntry, Declaration, Operation};
use crate::digest::Digest;
use crate::runtime::StartError;

impl Host {
    /// Starts the host: takes in what the builder named, asks the approver about what waits, and
    /// starts what may run, in slot order, dependencies first.
    ///
    /// Never fails because a plugin does; the report has one outcome for each. A host that has
    /// started already starts nothing and reports nothing.
    pub async fn start(&self) -> StartReport {
        if self
            .is_started
            .swap(true, std::sync::atomic::Ordering::AcqRel)
        {
            return StartReport::default();
        }
        let version = env!("CARGO_PKG_VERSION");
        self.engine.audit.record(AuditEvent::HostStarted {
            version: version.into(),
        });
        self.mend_trail().await;
        let mut refused = self.report_broken();
        refused.append(&mut self.take_in().await);
        self.ask_approver().await;
        let mut report = self.start_all().await;
        self.manifests.clear();
        self.engine.shown.definitions().sweep(&self.catalog());
        report.plugins.append(&mut refused);
        self.engine.announce();
        report
    }

    /// Reports the packages that could not be read; where the folder's name could be a plugin's,
    /// it stands for the plugin.
    fn report_broken(&self) -> Vec<PluginOutcome> {
        let mut outcomes = Vec::new();
        for (path, error) in &self.broken {
            tracing::warn!(path = %path.display(), "a package is left out: {error}");
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let plugin = PluginId::parse(name).unwrap_or_else(|_| PluginId::from_static("unnamed"));
            self.engine.audit.record(AuditEvent::PluginFailed {
                plugin: plugin.clone(),
                stage: "read".into(),
                reason: error.to_string().into(),
            });
            let (code, reason) = (error.code(), error.to_string());
            let status = PluginStatus::Failed {
                code,
                stage: "read".to_owned(),
                reason,
            };
            outcomes.push(PluginOutcome::new(plugin, status));
        }
        outcomes
    }

    /// Puts what the builder named into the catalog, where it is not there yet or has changed.
    async fn take_in(&self) -> Vec<PluginOutcome> {
        let mut refused = Vec::new();
        for found in &self.found {
            let Some(operation) = self.operation_for(found) else {
                continue;
            };
            if let Err(error) = self.record_only(&operation).await {
                let status = PluginStatus::Failed {
                    code: error.code(),
                    stage: "install".to_owned(),
                    reason: error.to_string(),
                };
                refused.push(PluginOutcome::new(
                    found.package.manifest.name().clone(),
                    status,
                ));
            }
        }
        refused
    }

    /// What to do about a plugin the builder named. A package on disk stays pinned to what was
    /// installed until somebody reloads it; linked code is what it is and counts as an update.
    fn operation_for(&self, found: &Found) -> Option<Operation> {
        let state = self.catalog();
        let name = found.package.manifest.name();
        let candidate = candidate_of(found);
        let Some(entry) = state.entry(name) else {
            return Some(Operation::Install {
                candidate: Box::new(candidate),
            });
        };
        let is_same = entry.keyway.declared.digest == Some(found.package.digest);
        if is_same || found.is_on_disk || state.is_revoked(name) {
            return None;
        }
        let candidate = candidate.with_scope(entry.keyway.scope.clone());
        Some(Operation::Update {
            plugin: name.clone(),
            candidate: Box::new(candidate),
        })
    }

    /// Runs an operation on the catalog alone: what it starts is started by [`Host::start`].
    async fn record_only(&self, operation: &Operation) -> Result<(), super::HostError> {
        self.run_as(operation, Reach::Catalog).await.map(drop)
    }

    /// Asks the approver about everything that waits: plugins, and updates of plugins.
    async fn ask_approver(&self) {
        let state = self.catalog();
        let waits = |entry: &&PluginId| state.entry(entry).is_some_and(waits);
        for plugin in state.entries.keys().filter(waits) {
            let pins = state.entry(plugin).map(|entry| &asked(entry).tool_pins);
            let tools = pins.and_then(|pins| self.engine.shown.definitions().of(pins));
            self.ask_about(plugin, tools.unwrap_or_default()).await;
        }
    }

    /// Asks the approver about one plugin, showing its tools where they are known, and carries the
    /// answer out.
    async fn ask_about(&self, plugin: &PluginId, tools: Vec<ToolDescriptor>) {
        let state = self.catalog();
        let Some(entry) = state.entry(plugin) else {
            return;
        };
        let request = self.plugin_request(entry, tools);
        if let Some(operation) = self.decided(plugin, &request).await
            && let Err(error) = self.record_only(&operation).await
        {
            tracing::warn!(%plugin, "the approver's decision was refused: {error}");
        }
    }

    fn plugin_request(&self, entry: &CatalogEntry, tools: Vec<ToolDescriptor>) -> ApprovalRequest {
        let record = &entry.keyway;
        let declared = asked(entry);
        let digest = || Digest::of_json(&declared.document);
        let diff = record.pending_update.as_ref();
        ApprovalRequest {
            id: ApprovalId::fresh(),
            at_ms: self.engine.time.now_ms(),
            subject: ApprovalSubject::Plugin {
                plugin: entry.manifest.name.clone(),
                definition: declared.digest.unwrap_or_else(digest),
                trust: record.trust,
                risk: declared.risk.unwrap_or(Risk::Low),
                requests: declared.requests.clone(),
                diff: diff.map(|update| update.diff.join("\n")),
                manifest: declared.document.clone(),
                tools,
            },
        }
    }

    async fn decided(&self, plugin: &PluginId, request: &ApprovalRequest) -> Option<Operation> {
        let decision = self.review(request).await;
        let plugin = plugin.clone();
        let by = self.operator.clone();
        match decision {
            Decision::Approve { optional } => {
                let mut approval = Approval::by(by).with_tags(optional);
                if let ApprovalSubject::Plugin { definition, .. } = &request.subject {
                    approval = approval.with_digest(*definition);
                }
                Some(Operation::Approve { plugin, approval })
            }
            Decision::Deny { reason } => Some(Operation::Deny {
                plugin,
                by,
                reason: Some(reason),
                tags: std::collections::BTreeSet::new(),
            }),
            _ => None,
        }
    }

    async fn start_all(&self) -> StartReport {
        let state = self.catalog();
        let mut report = StartReport::default();
        for id in state.start_order() {
            let Some(entry) = state.entry(&id) else {
                continue;
            };
            report.plugins.push(self.start_one(id, entry).await);
        }
        for (id, entry) in &state.entries {
            if let Some(status) = waiting(entry, state.is_revoked(id)) {
                report.plugins.push(PluginOutcome::new(id.clone(), status));
            }
        }
        report
    }

    async fn start_one(&self, id: PluginId, entry: &CatalogEntry) -> PluginOutcome {
        if self.is_other_code(entry) {
            return PluginOutcome::new(id, pending(entry));
        }
        let prepared = match Box::pin(self.prepare(entry)).await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.record_failure(&id, &error);
                return PluginOutcome::failed(id, &error);
            }
        };
        if let Some(status) = self.pin(&id, &prepared).await {
            prepared.discard(&self.engine).await;
            return PluginOutcome::new(id, status);
        }
        self.show_one(id, prepared).await
    }

    /// Pins the definitions that were registered; a changed one needs an operator, who is asked.
    async fn pin(&self, id: &PluginId, prepared: &Prepared) -> Option<PluginStatus> {
        if !prepared.has_code() {
            return None;
        }
        let pins = prepared.pins();
        let definitions = self.engine.shown.definitions();
        let state = self.catalog();
        let known = &state.entry(id)?.keyway.declared.tool_pins;
        if *known == pins && definitions.holds(&pins) {
            return None;
        }
        let tools = prepared.descriptors();
        definitions.keep(&pins, &tools, &self.engine.redactor);
        if *known == pins {
            return None;
        }
        let before = definitions.of(known);
        let operation = Operation::PinTools {
            plugin: id.clone(),
            changes: before.map_or_else(Vec::new, |before| told(&self.engine, &before, &tools)),
            pins,
        };
        if let Err(error) = self.record_only(&operation).await {
            let (code, reason) = (error.code(), error.to_string());
            return Some(PluginStatus::Failed {
                code,
                stage: "pin".to_owned(),
                reason,
            });
        }
        if self.catalog().entry(id).is_some_and(waits) {
            self.ask_about(id, tools).await;
        }
        let state = self.catalog();
        let entry = state.entry(id)?;
        waiting(entry, state.is_revoked(id))
    }

    fn not_written(&self, id: PluginId) -> PluginOutcome {
        let (plugin, reason) = (id.to_string(), "it could not be written".to_owned());
        PluginOutcome::failed(id, &StartError::State { plugin, reason })
    }

    async fn show_one(&self, id: PluginId, prepared: Prepared) -> PluginOutcome {
        let mut written = self.write_layouts(vec![prepared]).await;
        let Some(prepared) = written.pop() else {
            return self.not_written(id);
        };
        let (enforcement, has_code) = (prepared.enforcement(), prepared.has_code());
        let mut lives = self.live.lock().await;
        let state = self.catalog();
        // An operator may have stopped it while it started.
        let now = state.entry(&id);
        if let Some(status) = now.map_or(Some(PluginStatus::Disabled), |entry| {
            waiting(entry, state.is_revoked(&id))
        }) {
            drop(lives);
            prepared.discard(&self.engine).await;
            return PluginOutcome::new(id, status);
        }
        if has_code {
            self.record_running(&id, enforcement);
        }
        let (shown, started) = live::swap(&self.engine, &[], vec![prepared]);
        self.record_shown(&shown);
        let replaced = live::keep(&mut lives, started);
        drop(lives);
        for live in replaced {
            live::stop(&self.engine, live).await;
        }
        let tools = shown.report.accepted.len();
        let status = match has_code {
            true => PluginStatus::Running { tools, enforcement },
            false => PluginStatus::Ready,
        };
        let mut outcome = PluginOutcome::new(id, status);
        outcome.clashes = shown.report.clashes;
        outcome.quarantined = shown.quarantined;
        outcome
    }
}

fn candidate_of(found: &Found) -> Candidate {
    let candidate = if found.is_on_disk {
        found.package.candidate()
    } else {
        Candidate::new(&found.package.manifest, found.package.digest)
    };
    candidate
        .with_precedence(found.precedence)
        .with_trust(found.trust)
}

/// Says why an entry is not to be started, where it is not.
fn waiting(entry: &CatalogEntry, is_revoked: bool) -> Option<PluginStatus> {
    if is_revoked {
        return Some(PluginStatus::Revoked);
    }
    let record = &entry.keyway;
    match record.authority {
        Authority::Revoked => Some(PluginStatus::Revoked),
        Authority::Denied => Some(PluginStatus::Denied),
        Authority::PendingApproval => Some(pending(entry)),
        _ if entry.is_live() => None,
        _ => Some(PluginStatus::Disabled),
    }
}

/// Tells whether an operator has to look at a plugin, or at an update of it.
fn waits(entry: &CatalogEntry) -> bool {
    let record = &entry.keyway;
    let has_update = record.authority == Authority::Approved && record.pending_update.is_some();
    record.authority == Authority::PendingApproval || has_update
}

/// Returns what an operator has to look at: the update that waits, else the plugin itself.
fn asked(entry: &CatalogEntry) -> &Declaration {
    let record = &entry.keyway;
    match &record.pending_update {
        Some(update) => &update.candidate.declared,
        None => &record.declared,
    }
}

fn pending(entry: &CatalogEntry) -> PluginStatus {
    let declared = asked(entry);
    let requests = declared.requests.iter();
    PluginStatus::PendingApproval {
        risk: declared.risk.unwrap_or(Risk::Low),
        asks: requests.flat_map(|r| r.capability.tags()).collect(),
    }
}
