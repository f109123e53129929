//! State that changes its layout between versions, and plugins that cannot run twice.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::HostError;
use keyway_host::rank::Trust;
use keyway_plugin_api::{
    Plugin, Register, RegisterError, StartFailure, State, StateEntries, ToolError, ToolErrorKind,
    async_trait, tool,
};
use keyway_test_support::{CodeRuntime, TempPackages, TestHost};
use serde_json::json;

use super::id;

/// Returns what is stored.
#[tool(effect = read)]
async fn look(state: State) -> Result<String, ToolError> {
    let keys = state.list("").await?;
    Ok(keys.join(","))
}

/// Writes down what happens to it.
#[derive(Clone, Default)]
struct Keeper {
    lines: Arc<Mutex<Vec<String>>>,
    refuses: Arc<AtomicBool>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Keeper {
    fn say(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

#[async_trait]
impl Plugin for Keeper {
    fn manifest(&self) -> Cow<'static, str> {
        manifest(1, 1, true).into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Look)?;
        Ok(())
    }

    async fn start(&self) -> Result<(), StartFailure> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        // Long enough for calls to come meanwhile.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }

    async fn migrate_state(
        &self,
        from: u32,
        entries: StateEntries,
    ) -> Result<StateEntries, StartFailure> {
        self.say(format!("from {from}"));
        if self.refuses.load(Ordering::SeqCst) {
            return Err(StartFailure("I cannot read that".to_owned()));
        }
        let renamed = entries.into_iter().map(|(k, v)| (format!("new-{k}"), v));
        Ok(renamed.collect())
    }

    async fn stop(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn manifest(version: u32, layout: u32, overlap: bool) -> String {
    json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "keeper", "version": format!("0.{version}.0"),
        "extensions": { "dev.keyway": {
            "api": ">=0.1, <0.2",
            "runtime": { "kind": "process", "command": "./keeper", "overlap": overlap },
            "capabilities": [{ "kind": "state", "quotaBytes": 1000 }],
            "state": { "owns": true, "version": layout },
            "contributes": { "tools": ["look"] } } }
    })
    .to_string()
}

struct Stage {
    host: TestHost,
    code: Keeper,
    packages: TempPackages,
}

async fn stage(layout: u32, overlap: bool) -> Stage {
    let (code, packages) = (Keeper::default(), TempPackages::new());
    packages.write("keeper", &manifest(1, layout, overlap));
    packages.write_file("keeper", "keeper", b"program");
    let runtime = CodeRuntime::new().with("keeper", code.clone());
    let folder = packages.path().to_owned();
    let host = TestHost::builder()
        .configure(|host| host.runtime(runtime).plugins_dir(folder, Trust::Trusted))
        .start()
        .await;
    assert!(
        host.report().plugin("keeper").unwrap().is_running(),
        "{:#?}",
        host.report()
    );
    Stage {
        host,
        code,
        packages,
    }
}

impl Stage {
    fn put(&self, key: &str) {
        self.host.effects().put_state(&id("keeper"), key, b"v");
    }

    async fn looks(&self) -> String {
        let seen = self.host.call("keeper/look", json!({})).await.unwrap();
        seen.as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_reload_to_another_layout_brings_the_state_along() {
    let stage = stage(1, true).await;
    stage.put("a");
    stage.packages.write("keeper", &manifest(2, 2, true));
    stage.host.host().reload(&id("keeper")).await.unwrap();
    assert_eq!(stage.code.said(), ["from 1"]);
    assert_eq!(stage.looks().await, "new-a");
    // Known from now on: nothing is brought twice.
    stage.packages.write("keeper", &manifest(3, 2, true));
    stage.host.host().reload(&id("keeper")).await.unwrap();
    assert!(stage.code.said().is_empty());
    assert_eq!(stage.looks().await, "new-a");
}

#[tokio::test]
async fn a_layout_that_the_plugin_cannot_read_leaves_the_old_version_and_the_old_state() {
    let stage = stage(1, true).await;
    stage.put("a");
    stage.code.refuses.store(true, Ordering::SeqCst);
    stage.packages.write("keeper", &manifest(2, 2, true));
    let error = stage.host.host().reload(&id("keeper")).await.unwrap_err();
    assert_eq!(error.code(), "RELOAD_FAILED");
    assert!(error.to_string().contains("I cannot read that"), "{error}");
    assert_eq!(stage.looks().await, "a");
    let state = stage.host.catalog();
    let version = &state.entry(&id("keeper")).unwrap().manifest.version;
    assert_eq!(version.to_string(), "0.1.0");
}

#[tokio::test]
async fn an_older_plugin_does_not_touch_newer_state() {
    let stage = stage(2, true).await;
    stage.put("a");
    stage.packages.write("keeper", &manifest(2, 1, true));
    let error = stage.host.host().reload(&id("keeper")).await.unwrap_err();
    assert!(matches!(error, HostError::Catalog(_)), "{error}");
    assert!(error.to_string().contains("version 2"), "{error}");
    assert!(stage.code.said().is_empty());
    assert_eq!(stage.looks().await, "a");
}

#[tokio::test]
async fn state_that_cannot_be_written_is_reported_and_written_at_the_next_try() {
    let stage = stage(1, true).await;
    stage.put("a");
    let full = ToolError::new(ToolErrorKind::Unavailable, "no space left");
    stage.host.effects().fail_next(full);
    stage.packages.write("keeper", &manifest(2, 2, true));
    stage.host.host().reload(&id("keeper")).await.unwrap();
    let failed = stage.host.audit_events().into_iter().any(|event| {
        serde_json::to_string(&event)
            .unwrap()
            .contains("no space left")
    });
    assert!(failed);
    // The copy was brought twice and nothing of the first try was left.
    assert_eq!(stage.code.said(), ["from 1", "from 1"]);
    assert_eq!(stage.looks().await, "new-a");
}

#[tokio::test]
async fn no_plugin_reaches_the_keys_of_the_host() {
    let stage = stage(2, true).await;
    stage.put("a");
    assert!(
        stage
            .host
            .effects()
            .state(&id("keeper"), "\0layout")
            .is_some()
    );
    assert_eq!(stage.looks().await, "a");
}

/// Calls until it is told to stop, and counts what was not answered.
async fn hammer(stage: &Stage, until: &AtomicBool) -> (usize, Vec<String>) {
    let (mut answered, mut lost) = (0, Vec::new());
    while !until.load(Ordering::SeqCst) {
        match stage.host.call("keeper/look", json!({})).await {
            Ok(_) => answered += 1,
            Err(error) => lost.push(error.to_string()),
        }
        tokio::task::yield_now().await;
    }
    (answered, lost)
}

async fn reload_under_load(stage: &Stage) -> (usize, Vec<String>) {
    let over = AtomicBool::new(false);
    let reload = async {
        for version in 2..5 {
            let text = manifest(version, 1, false);
            stage.packages.write("keeper", &text);
            stage.host.host().reload(&id("keeper")).await.unwrap();
        }
        over.store(true, Ordering::SeqCst);
    };
    let (counted, ()) = tokio::join!(hammer(stage, &over), reload);
    counted
}

#[tokio::test]
async fn who_cannot_run_twice_never_does_and_loses_no_call() {
    let stage = stage(1, false).await;
    let (answered, lost) = reload_under_load(&stage).await;
    assert!(lost.is_empty(), "{lost:?}");
    assert!(answered > 0);
    assert_eq!(stage.code.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn control_who_may_overlap_runs_twice_for_a_moment() {
    let stage = stage(1, true).await;
    for version in 2..4 {
        stage.packages.write("keeper", &manifest(version, 1, true));
        stage.host.host().reload(&id("keeper")).await.unwrap();
    }
    assert_eq!(stage.code.most.load(Ordering::SeqCst), 2);
}
