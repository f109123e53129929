//! A new version that describes its tools otherwise waits beside the old one (settlement 22).

use std::sync::Arc;

use keyway_host::catalog::{Approval, Operation};
use keyway_host::rank::Trust;
use keyway_host::runtime::{
    Enforcement, Launch, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_plugin_api::{
    Arguments, CallCx, Manifest, Register, Tool, ToolDescriptor, ToolError, ToolOutput,
    async_trait, tool,
};
use keyway_test_support::{TempPackages, TestHost};
use serde_json::json;

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

#[tokio::test]
async fn l13_changed_definitions_wait_with_a_diff_while_the_old_version_serves() {
    let packages = TempPackages::new();
    packages.write("worded", &manifest(1));
    packages.write_file("worded", "worded", b"program");
    let folder = packages.path().to_owned();
    let host = TestHost::builder()
        .configure(|host| host.runtime(ByVersion).plugins_dir(folder, Trust::Trusted))
        .start()
        .await;
    packages.write("worded", &manifest(2));
    let report = host.host().reload(&id("worded")).await.unwrap();
    let message = &report.result.message;
    assert!(message.contains("waits for approval"), "{message}");
    assert!(message.contains("tool answer"), "{message}");
    let says = || async { host.call("worded/answer", json!({})).await.unwrap() };
    assert_eq!(says().await, "Answers as 0.1.0.");

    let approve = Operation::Approve {
        plugin: id("worded"),
        approval: Approval::by(host.operator()),
    };
    host.run(approve).await.unwrap();
    assert_eq!(says().await, "Answers as 0.2.0.");
}
