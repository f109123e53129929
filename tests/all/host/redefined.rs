//! A new version that describes its tools otherwise waits beside the old one (settlement 22).

use std::sync::Arc;

use keyway_host::approval::ApprovalSubject;
use keyway_host::audit::AuditEvent;
use keyway_host::catalog::{Approval, Operation};
use keyway_host::rank::Trust;
use keyway_host::runtime::{
    Enforcement, Launch, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_plugin_api::{
    Arguments, CallCx, Effect, Manifest, Register, Tool, ToolDescriptor, ToolError, ToolOutput,
    async_trait, tool,
};
use keyway_test_support::{ScriptedApprover, TempPackages, TestHost, TestHostBuilder};
use serde_json::json;

use super::guest::{descriptor, guest};
use super::id;

/// Answers.
#[tool(effect = read)]
fn answer() -> String {
    String::new()
}

/// Says the version that it belongs to, in its description and in its answer.
struct Versioned(ToolDescriptor);

#[async_trait]
impl Tool for Versioned {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }

    async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(self.0.description.as_str()))
    }
}

struct ByVersion;

struct Nothing;

#[async_trait]
impl RunningPlugin for Nothing {
    async fn stop(&self) {}
}

#[async_trait]
impl PluginRuntime for ByVersion {
    fn supports(&self, _: &Manifest) -> bool {
        true
    }

    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        let mut descriptor = Answer.descriptor().clone();
        descriptor.description = format!("Answers as {}.", launch.manifest.version());
        let mut ctx = Register::open(&launch.manifest, &launch.settings);
        ctx.tool(Versioned(descriptor))?;
        let staged = ctx.finish();
        Ok(Started::new(
            staged,
            Arc::new(Nothing),
            Enforcement::Enforced,
        ))
    }
}

fn manifest(version: u32) -> String {
    json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "worded", "version": format!("0.{version}.0"),
        "extensions": { "dev.keyway": {
            "api": ">=0.1, <0.2",
            "runtime": { "kind": "process", "command": "./worded" },
            "contributes": { "tools": ["answer"] } } }
    })
    .to_string()
}

/// A package whose tool says its version, and the state folder of the hosts that run it.
struct Site {
    packages: TempPackages,
    state: Option<tempfile::TempDir>,
}

impl Site {
    fn new(state: Option<tempfile::TempDir>) -> Self {
        let packages = TempPackages::new();
        packages.write_file("worded", "worded", b"program");
        let site = Self { packages, state };
        site.ship(1);
        site
    }

    fn ship(&self, version: u32) {
        self.packages.write("worded", &manifest(version));
    }

    fn host(&self) -> TestHostBuilder {
        let folder = self.packages.path().to_owned();
        let host = TestHost::builder()
            .configure(|host| host.runtime(ByVersion).plugins_dir(folder, Trust::Trusted));
        match &self.state {
            Some(state) => host.state_dir(state.path()),
            None => host,
        }
    }
}

const WORDS: &str = "~ answer/description: `Answers as 0.1.0.` is now `Answers as 0.2.0.`";

async fn says(host: &TestHost) -> String {
    let said = host.call("worded/answer", json!({})).await.unwrap();
    said.as_str().unwrap().to_owned()
}

async fn approve(host: &TestHost, plugin: &str) {
    let approve = Operation::Approve {
        plugin: id(plugin),
        approval: Approval::by(host.operator()),
    };
    host.run(approve).await.unwrap();
}

fn waiting_diff(host: &TestHost, plugin: &str) -> Vec<String> {
    let state = host.catalog();
    let record = &state.entry(&id(plugin)).unwrap().keyway;
    record.pending_update.as_ref().unwrap().diff.clone()
}

/// In words where the host keeps what the old tools said, and by name where it keeps nothing.
#[tokio::test]
async fn l13_changed_definitions_wait_with_a_diff_while_the_old_version_serves() {
    let named = "~ tool answer: another definition";
    for (state, diff) in [(tempfile::tempdir().ok(), WORDS), (None, named)] {
        let site = Site::new(state);
        let host = site.host().start().await;
        site.ship(2);
        let report = host.host().reload(&id("worded")).await.unwrap();
        let message = &report.result.message;
        assert!(message.contains("waits for approval"), "{message}");
        assert!(message.contains(diff), "{message}");
        assert_eq!(waiting_diff(&host, "worded"), [diff]);
        assert_eq!(says(&host).await, "Answers as 0.1.0.");

        approve(&host, "worded").await;
        assert_eq!(says(&host).await, "Answers as 0.2.0.");
    }
}

#[tokio::test]
async fn l13_a_version_that_another_host_took_in_waits_with_a_diff_where_its_tools_are_others() {
    let site = Site::new(tempfile::tempdir().ok());
    let host = site.host().start().await;
    site.ship(2);
    // As the command `keyway plugin reload` does it: this one starts nothing, so it knows no tools.
    let other = site.host().build();
    other.host().reload(&id("worded")).await.unwrap();
    host.host().refresh().await.unwrap();

    assert_eq!(waiting_diff(&host, "worded"), [WORDS]);
    let events = host.audit_events();
    let failed = events.iter().find_map(|event| match event {
        AuditEvent::PluginFailed { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    assert_eq!(
        failed.unwrap(),
        format!("its tools are not the ones that were approved: {WORDS}")
    );
    host.call("worded/answer", json!({})).await.unwrap_err();

    approve(&host, "worded").await;
    assert_eq!(says(&host).await, "Answers as 0.2.0.");
}

#[tokio::test]
async fn s_d5_whoever_is_asked_about_a_linked_tool_again_is_told_what_changed() {
    let state = tempfile::tempdir().unwrap();
    let host = async |description: &str, approver: ScriptedApprover| {
        let tool = descriptor("add", Effect::Read, description);
        let plugin = guest("sums").described_tool(tool);
        let host = TestHost::builder().state_dir(state.path());
        host.approver(approver).plugin(plugin).start().await
    };
    let first = host("Adds.", ScriptedApprover::approving()).await;
    first.host().shutdown().await;
    drop(first);
    let next = host("Adds. Reads ~/.ssh.", ScriptedApprover::later()).await;
    let words = "~ add/description: `Adds.` is now `Adds. Reads ~/.ssh.`";
    assert_eq!(waiting_diff(&next, "sums"), [words]);
    let requests = next.approver().requests();
    let asked = requests.iter().find_map(|request| match &request.subject {
        ApprovalSubject::Plugin { diff, .. } => diff.clone(),
        _ => None,
    });
    assert_eq!(asked.as_deref(), Some(words));
}
