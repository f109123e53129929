//! What every plugin runtime does.

use std::path::PathBuf;
use std::time::Duration;

use keyway_host::PluginStatus;
use keyway_host::catalog::{Approval, Operation};
use keyway_host::limits::Limits;
use keyway_host::rank::Trust;
use keyway_host::runtime::PluginRuntime;
use serde_json::json;

use crate::harness::plugin_id;
use crate::{ScriptedApprover, TestHost};

/// A runtime and packages for it, made by whoever wrote it.
///
/// The folder holds two packages of the runtime's kind. `good` registers the tool `echo`, which
/// takes `{"text": …}` and gives the text back; `bad` declares `echo` too and fails to start.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "filled in by whoever runs the suite"
)]
pub struct RuntimeFixture<R> {
    /// The runtime.
    pub runtime: R,
    /// The folder that holds the packages.
    pub packages: PathBuf,
    /// Name of the plugin that works.
    pub good: String,
    /// Name of the plugin that fails to start.
    pub bad: String,
}

/// How long the suite lets a plugin start, stop or answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Holds a [`PluginRuntime`] to its contract. `make` makes a fresh one with its packages.
///
/// # Panics
/// With the rule that does not hold.
pub async fn plugin_runtime<R: PluginRuntime>(make: impl Fn() -> RuntimeFixture<R>) {
    nothing_runs_before_approval(make()).await;
    a_plugin_answers_until_it_is_stopped(make()).await;
    a_failed_start_leaves_nothing_and_harms_nobody(make()).await;
    everything_stops_with_its_host(make()).await;
}

struct Stage {
    host: TestHost,
    good: String,
    bad: String,
}

impl Stage {
    async fn of<R: PluginRuntime>(fixture: RuntimeFixture<R>, approver: ScriptedApprover) -> Self {
        let limits = Limits {
            start: PATIENCE,
            stop: PATIENCE,
            call: PATIENCE,
            ..Limits::default()
        };
        let RuntimeFixture {
            runtime,
            packages,
            good,
            bad,
        } = fixture;
        let builder = TestHost::builder().approver(approver).configure(|host| {
            let host = host.runtime(runtime).limits(limits);
            host.plugins_dir(packages, Trust::Trusted)
        });
        let host = within("starting a host", builder.start()).await;
        Self { host, good, bad }
    }

    async fn echo(&self, plugin: &str, text: &str) -> Result<serde_json::Value, String> {
        let (tool, arguments) = (format!("{plugin}/echo"), json!({ "text": text }));
        let call = self.host.call(&tool, arguments);
        within("a call", call).await.map_err(|e| e.to_string())
    }

    async fn good_answers(&self, when: &str) {
        let answer = self.echo(&self.good, when).await;
        assert_eq!(
            answer,
            Ok(json!(when)),
            "the good plugin must answer {when}; {:#?}",
            self.host.report()
        );
    }
}

/// Twice the patience and some: a runtime that hangs is stopped by the host, and that is slow.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    // On the heap: what a host does while it starts is too much for the stack of a test.
    match tokio::time::timeout(PATIENCE * 4, Box::pin(future)).await {
        Ok(output) => output,
        Err(_) => panic!("{what} must end"),
    }
}

async fn nothing_runs_before_approval<R: PluginRuntime>(fixture: RuntimeFixture<R>) {
    let stage = Stage::of(fixture, ScriptedApprover::later()).await;
    let status = stage.host.report().plugin(&stage.good).map(|o| &o.status);
    assert!(
        matches!(status, Some(PluginStatus::PendingApproval { .. })),
        "a plugin must wait for approval: {status:?}"
    );
    assert!(
        stage.echo(&stage.good, "early").await.is_err(),
        "nothing may answer before approval"
    );
    let approval = Approval::by(stage.host.operator());
    let plugin = plugin_id(&stage.good);
    let approved = stage.host.run(Operation::Approve { plugin, approval });
    if let Err(error) = within("an approval", approved).await {
        panic!("an approved plugin must start: {error}");
    }
    stage.good_answers("once approved").await;
}

async fn a_plugin_answers_until_it_is_stopped<R: PluginRuntime>(fixture: RuntimeFixture<R>) {
    let stage = Stage::of(fixture, ScriptedApprover::approving()).await;
    stage.good_answers("after the start").await;
    for _ in 0..2 {
        within("stopping", stage.host.disable(&stage.good)).await;
        assert!(
            stage.echo(&stage.good, "late").await.is_err(),
            "a stopped plugin must not answer"
        );
        within("starting", stage.host.enable(&stage.good)).await;
        stage.good_answers("after it was started again").await;
    }
}

async fn a_failed_start_leaves_nothing_and_harms_nobody<R: PluginRuntime>(
    fixture: RuntimeFixture<R>,
) {
    let stage = Stage::of(fixture, ScriptedApprover::approving()).await;
    let status = stage.host.report().plugin(&stage.bad).map(|o| &o.status);
    assert!(
        matches!(status, Some(PluginStatus::Failed { .. })),
        "a plugin that fails to start must be reported as failed: {status:?}"
    );
    assert!(
        stage
            .host
            .host()
            .registry()
            .tools_of(&plugin_id(&stage.bad))
            .is_empty(),
        "a failed start must leave no tool"
    );
    stage.good_answers("beside one that failed").await;
}

async fn everything_stops_with_its_host<R: PluginRuntime>(fixture: RuntimeFixture<R>) {
    let stage = Stage::of(fixture, ScriptedApprover::approving()).await;
    within("stopping a host", stage.host.host().shutdown()).await;
    assert!(
        stage.echo(&stage.good, "late").await.is_err(),
        "nothing may answer after its host stopped"
    );
}
