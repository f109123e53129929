//! The run, section by section: what a runtime and its operator do with plugins.

use keyway_host::audit::Trail;
use keyway_host::catalog::{Approval, Authority, CatalogEntry, Operation};
use keyway_host::clock::{Clock, SystemClock};
use keyway_host::operator::OperatorId;
use keyway_host::view::View;
use keyway_host::{AUDIT_FILE, Host, HostError, PluginStatus, StartReport};
use keyway_plugin_api::{PluginId, Risk};

use crate::agent::{self, Tally};
use crate::model::Model;
use crate::operator::{Answer, Operator};
use crate::options::Options;
use crate::platform::{self, PACKAGED};
use crate::screen::{Mark, Screen};
use crate::show;
use crate::stop::Stop;

/// One run: who decides, what thinks, what it is asked, and where it shows.
pub(crate) struct Tour {
    pub(crate) options: Options,
    pub(crate) operator: Operator,
    pub(crate) model: Box<dyn Model>,
    pub(crate) task: String,
    pub(crate) screen: Screen,
}

impl Tour {
    /// Goes from finding plugins to proving what happened.
    ///
    /// # Errors
    /// [`Stop`] when the state folder, the host or the model cannot be used. A plugin that fails
    /// or is refused is part of the story.
    pub(crate) async fn run(mut self) -> Result<(), Stop> {
        let clock = SystemClock::new();
        let began = clock.now_ms();
        self.say_where()?;
        let host = platform::build(&self.options)?;
        let told = self.with_plugins(&host).await;
        host.shutdown().await;
        let tally = told?;
        self.audit()?;
        self.summary(tally, clock.now_ms() - began);
        Ok(())
    }

    async fn with_plugins(&mut self, host: &Host) -> Result<Tally, Stop> {
        let report = host.start().await;
        self.found(host, &report);
        self.asks(host);
        self.decide(host).await?;
        let view = host.view(platform::agent()?);
        let tally = self.work(&view).await?;
        self.reload(host).await?;
        self.revoke(host, &view).await?;
        Ok(tally)
    }

    fn say_where(&mut self) -> Result<(), Stop> {
        let before = crate::state_folder::prepare(&self.options.state_dir)?;
        let state = self.options.state_dir.display().to_string();
        let repo = std::fs::canonicalize(&self.options.repo);
        let repo = repo.unwrap_or_else(|_| self.options.repo.clone());
        self.screen.section("keyway quickstart");
        let rows = [
            ("works on", repo.display().to_string()),
            ("state in", format!("{state} ({before})")),
            ("model", self.model.name()),
        ];
        let rows = rows.map(|(what, value)| (Mark::Plain, vec![what.to_owned(), value]));
        self.screen.rows(&rows);
        Ok(())
    }

    fn found(&mut self, host: &Host, report: &StartReport) {
        self.screen.section("Found (nothing of it has run)");
        let catalog = host.catalog();
        let rows: Vec<_> = catalog
            .listed()
            .map(|(id, entry)| found_row(id, entry))
            .collect();
        self.screen.rows(&rows);
        for broken in report.failures() {
            if let PluginStatus::Failed { reason, .. } = &broken.status {
                let text = format!("{}: {reason}", broken.plugin);
                self.screen.whole_line(Mark::Bad, &text);
            }
        }
    }

    fn asks(&mut self, host: &Host) {
        self.screen.section("What they ask for");
        let catalog = host.catalog();
        let rows: Vec<_> = catalog
            .listed()
            .flat_map(|(id, entry)| asked_rows(id, entry))
            .collect();
        self.screen.rows(&rows);
    }

    async fn decide(&mut self, host: &Host) -> Result<(), Stop> {
        self.screen.section("The operator decides");
        let catalog = host.catalog();
        let waits = |entry: &CatalogEntry| entry.keyway.authority == Authority::PendingApproval;
        for (plugin, entry) in catalog.listed().filter(|(_, entry)| waits(entry)) {
            let answer = self.operator.decide(plugin.as_str()).await;
            let operation = self.operation(plugin, entry, answer)?;
            let done = host.run(&operation).await;
            self.show_operation(done.map(|report| report.result.message));
            self.show_refused(host, plugin);
        }
        Ok(())
    }

    fn operation(
        &self,
        plugin: &PluginId,
        entry: &CatalogEntry,
        answer: Answer,
    ) -> Result<Operation, Stop> {
        let (plugin, by) = (plugin.clone(), self.operator_id()?);
        let mut approval = Approval::by(by.clone());
        // What was shown is what is approved: other bytes by now are refused.
        approval.digest = entry.keyway.declared.digest;
        Ok(match answer {
            Answer::All => Operation::Approve {
                plugin,
                approval: approval.with_all(),
            },
            Answer::No => Operation::Deny {
                plugin,
                by,
                reason: Some("the operator said no".to_owned()),
                tags: std::collections::BTreeSet::new(),
            },
            Answer::Required => Operation::Approve { plugin, approval },
        })
    }

    fn show_refused(&mut self, host: &Host, plugin: &PluginId) {
        let catalog = host.catalog();
        let Some(record) = catalog.entry(plugin).map(|entry| &entry.keyway) else {
            return;
        };
        let granted = record
            .grants
            .iter()
            .flat_map(|grant| grant.capability.tags());
        let granted: Vec<String> = granted.collect();
        let asked = record.declared.requests.iter();
        for tag in asked.flat_map(|request| request.capability.tags()) {
            if !granted.contains(&tag) {
                self.screen
                    .whole_line(Mark::Bad, &format!("not granted: {tag}"));
            }
        }
    }

    async fn work(&mut self, view: &View) -> Result<Tally, Stop> {
        self.screen.section("The agent works");
        let task = format!("task: {}", self.task);
        self.screen.paragraph(&task);
        let screen = &mut self.screen;
        let tally = agent::work(view, self.model.as_mut(), &self.task, screen).await;
        Ok(tally?)
    }

    async fn reload(&mut self, host: &Host) -> Result<(), Stop> {
        self.screen.section("Reload");
        let done = host.reload(&packaged()?).await;
        self.show_operation(done.map(|report| report.result.message));
        Ok(())
    }

    async fn revoke(&mut self, host: &Host, view: &View) -> Result<(), Stop> {
        self.screen.section("Revoke (final, for every version)");
        let before = view.list().tools.len();
        let plugin = packaged()?;
        let operation = Operation::Revoke {
            plugin,
            by: self.operator_id()?,
            reason: "end of the quickstart".to_owned(),
        };
        let done = host.run(&operation).await;
        self.show_operation(done.map(|report| report.result.message));
        let after = view.list().tools.len();
        let tools = format!("the agent sees {after} tools, {before} before");
        self.screen.line(Mark::Good, &tools);
        let call = show::sample_call("text-tools/word_count", r#"{"text":"still there?"}"#);
        let outcome = view.call(&call.tool, call.arguments.as_str()).await;
        show::call(&mut self.screen, &call, &outcome, 0);
        let again = platform::install_again(host).await;
        self.show_operation(again.map(|report| report.result.message));
        Ok(())
    }

    fn audit(&mut self) -> Result<(), Stop> {
        self.screen.section("Audit");
        let path = self.options.state_dir.join(AUDIT_FILE);
        let proof = Trail::open(&path)?.verify()?;
        let told = format!("{} records, the chain is intact", proof.records);
        self.screen.line(Mark::Good, &told);
        self.screen
            .line(Mark::Plain, &format!("{}", path.display()));
        Ok(())
    }

    fn summary(&mut self, tally: Tally, ms: i64) {
        let Tally {
            turns,
            calls,
            denied,
            failed,
        } = tally;
        let told = format!(
            "{turns} turns, {calls} calls, {denied} denied, {} failed, {ms} ms",
            failed - denied,
        );
        self.screen.section("Done");
        self.screen.line(Mark::Good, &told);
        self.screen.section("Look at what it left behind");
        for command in ["plugin list", "plugin info repo-tools", "audit"] {
            let command = format!("cargo run -q -p keyway -- {}{command}", self.dir_option());
            self.screen.whole_line(Mark::Plain, &command);
        }
    }

    /// The option that names the state folder to `keyway`, where it is not its default.
    fn dir_option(&self) -> String {
        if self.options.state_dir == Options::default().state_dir {
            return String::new();
        }
        format!("--dir {:?} ", self.options.state_dir)
    }

    fn operator_id(&self) -> Result<OperatorId, Stop> {
        OperatorId::parse(self.operator.name()).map_err(|e| Stop::bug(&e))
    }

    fn show_operation(&mut self, done: Result<String, HostError>) {
        match done {
            Ok(message) => self.screen.whole_line(Mark::Good, &message),
            Err(error) => {
                let text = format!("{}: {error}", error.code());
                self.screen.whole_line(Mark::Bad, &text);
                for hint in error.hints() {
                    self.screen.whole_line(Mark::Plain, &format!("  {hint}"));
                }
            }
        }
    }
}

fn packaged() -> Result<PluginId, Stop> {
    PluginId::parse(PACKAGED).map_err(|e| Stop::bug(&e))
}

fn found_row(id: &PluginId, entry: &CatalogEntry) -> (Mark, Vec<String>) {
    let manifest = &entry.manifest;
    let kind = match &entry.source_path {
        Some(_) => "packaged in a folder",
        None => "linked into this program",
    };
    let description = manifest.description.clone().unwrap_or_default();
    let name = format!("{id} {}", manifest.version);
    (Mark::Good, vec![name, kind.to_owned(), description])
}

fn asked_rows(id: &PluginId, entry: &CatalogEntry) -> Vec<(Mark, Vec<String>)> {
    let declared = &entry.keyway.declared;
    let risk = declared.risk.unwrap_or(Risk::Low);
    let row = |tag: String, need: &str, reason: &str| {
        let cells = [id.as_str(), &format!("{risk} risk"), &tag, need, reason];
        (Mark::Plain, cells.map(str::to_owned).to_vec())
    };
    if declared.requests.is_empty() {
        return vec![row("nothing".to_owned(), "", "it only computes")];
    }
    let mut rows = Vec::new();
    for request in &declared.requests {
        let need = if request.optional {
            "optional"
        } else {
            "required"
        };
        let reason = request.reason.as_deref().unwrap_or_default();
        rows.extend(
            request
                .capability
                .tags()
                .into_iter()
                .map(|tag| row(tag, need, reason)),
        );
    }
    rows
}
