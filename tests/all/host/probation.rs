//! A new version that crashes twice soon after it took over is taken back by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::catalog::Operation;
use keyway_host::rank::Trust;
use keyway_host::runtime::{
    Enforcement, Failure, Launch, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_plugin_api::{Manifest, Register, async_trait, tool};
use keyway_test_support::{TempPackages, TestHost};
use serde_json::json;

use super::{id, refused};

/// Answers.
#[tool(effect = read)]
fn answer() -> String {
    "here".to_owned()
}

/// A runtime that keeps the launches it got.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Launch>>>);

struct Nothing;

#[async_trait]
impl RunningPlugin for Nothing {
    async fn stop(&self) {}
}

#[async_trait]
impl PluginRuntime for Kept {
    fn supports(&self, _: &Manifest) -> bool {
        true
    }

    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        let mut ctx = Register::open(&launch.manifest, &launch.settings);
        ctx.tool(Answer)?;
        let staged = ctx.finish();
        self.0.lock().unwrap().push(launch);
        Ok(Started::new(
            staged,
            Arc::new(Nothing),
            Enforcement::Enforced,
        ))
    }
}

/// What the trail says of a version that was taken back, when all of it is done.
const TAKEN_BACK: &str = "was taken back";

struct Stage {
    host: TestHost,
    kept: Kept,
    packages: TempPackages,
}

fn manifest(version: u32, asks: &[&str]) -> String {
    let asks: Vec<_> = asks
        .iter()
        .map(|secret| json!({ "kind": "secret", "names": [secret] }))
        .collect();
    json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "young", "version": format!("0.{version}.0"),
        "extensions": { "dev.keyway": {
            "api": ">=0.1, <0.2",
            "runtime": { "kind": "process", "command": "./young" },
            "capabilities": asks,
            "contributes": { "tools": ["answer"] } } }
    })
    .to_string()
}

async fn stage() -> Stage {
    let (kept, packages) = (Kept::default(), TempPackages::new());
    packages.write("young", &manifest(1, &["TOKEN"]));
    packages.write_file("young", "young", b"program");
    let folder = packages.path().to_owned();
    let runtime = kept.clone();
    let host = TestHost::builder()
        .configure(|host| host.runtime(runtime).plugins_dir(folder, Trust::Trusted))
        .start()
        .await;
    Stage {
        host,
        kept,
        packages,
    }
}

impl Stage {
    async fn reload(&self, version: u32, asks: &[&str]) {
        self.packages.write("young", &manifest(version, asks));
        self.host.host().reload(&id("young")).await.unwrap();
    }

    fn crash(&self) {
        let launches = self.kept.0.lock().unwrap();
        let supervision = &launches.last().unwrap().supervision;
        supervision.down(&Failure::new("segmentation fault"));
        supervision.up();
    }

    fn version(&self) -> String {
        let state = self.host.catalog();
        state
            .entry(&id("young"))
            .unwrap()
            .manifest
            .version
            .to_string()
    }

    /// Lets the host look after its plugins for a moment, as an embedder's task does.
    async fn attend(&self) {
        let follow = self.host.host().follow(Duration::from_millis(5));
        let _over = tokio::time::timeout(Duration::from_millis(300), follow).await;
    }

    /// Lets it do so until something is so, which it will be.
    async fn attend_until(&self, is_so: impl Fn() -> bool) {
        let comes = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let follow = self.host.host().follow(Duration::from_millis(5));
        tokio::select! {
            () = follow => panic!("it stopped looking"),
            waited = tokio::time::timeout(Duration::from_secs(60), comes) => waited.unwrap(),
        }
    }

    /// Says whether an event of the trail has these words.
    fn is_told(&self, words: &str) -> bool {
        let events = self.host.audit_events();
        let mut texts = events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap());
        texts.any(|text| text.contains(words))
    }

    async fn answers(&self) -> bool {
        self.host.call("young/answer", json!({})).await.is_ok()
    }
}

#[tokio::test]
async fn two_crashes_take_a_new_version_back() {
    let stage = stage().await;
    stage.reload(2, &["TOKEN"]).await;
    stage.crash();
    stage.attend().await;
    assert_eq!(stage.version(), "0.2.0", "one crash is no pattern");
    stage.crash();
    stage.attend_until(|| stage.is_told(TAKEN_BACK)).await;
    assert_eq!(stage.version(), "0.1.0");
    assert!(stage.answers().await);
}

#[tokio::test]
async fn what_was_taken_back_is_not_taken_in_again() {
    let stage = stage().await;
    stage.reload(2, &["TOKEN"]).await;
    stage.crash();
    stage.crash();
    stage.attend_until(|| stage.is_told(TAKEN_BACK)).await;
    let again = stage.host.host().reload(&id("young")).await;
    let error = refused(again, "RELOAD_FAILED");
    assert!(error.to_string().contains("ship another"), "{error}");
    // Another version is looked at as usual.
    stage.reload(3, &["TOKEN"]).await;
    assert_eq!(stage.version(), "0.3.0");
}

#[tokio::test]
async fn control_a_version_that_is_past_its_probation_stays() {
    let stage = stage().await;
    stage.reload(2, &["TOKEN"]).await;
    stage.crash();
    stage.host.clock().advance(61_000);
    stage.crash();
    stage.crash();
    stage.attend().await;
    assert_eq!(stage.version(), "0.2.0");
}

#[tokio::test]
async fn a_grant_that_was_taken_back_meanwhile_does_not_return() {
    let stage = stage().await;
    stage.reload(2, &[]).await;
    stage.crash();
    stage.crash();
    stage
        .attend_until(|| stage.is_told("cannot be rolled back"))
        .await;
    // The version from before needs a secret that nobody grants any more.
    assert_eq!(stage.version(), "0.2.0");
    let state = stage.host.catalog();
    assert!(state.entry(&id("young")).unwrap().keyway.grants.is_empty());
}

#[tokio::test]
async fn revoked_on_probation_stays_revoked() {
    let stage = stage().await;
    stage.reload(2, &["TOKEN"]).await;
    stage.crash();
    let state = stage.host.catalog();
    let previous = state.entry(&id("young")).unwrap().clone();
    stage.host.revoke("young").await;
    stage.crash();
    stage.attend().await;
    let roll_back = Operation::RollBack {
        plugin: id("young"),
        to: Box::new(previous),
        reason: "by force".to_owned(),
    };
    refused(stage.host.host().run(&roll_back).await, "REVOKED");
}
