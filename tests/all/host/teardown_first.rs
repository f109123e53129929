//! Reloading a plugin that holds something only one instance can hold (settlement 8).

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use keyway_host::approval::ApproveAll;
use keyway_host::{Host, HostError, ReloadMode};
use keyway_plugin_api::{
    Plugin, PluginId, Register, RegisterError, StartFailure, async_trait, tool,
};

/// Answers.
#[tool(effect = read)]
fn answer() -> String {
    "here".to_owned()
}

/// Writes down when it is started and stopped; fails to start when told to.
#[derive(Clone, Default)]
struct Diary {
    lines: Arc<Mutex<Vec<&'static str>>>,
    fails: Arc<AtomicBool>,
}

#[async_trait]
impl Plugin for Diary {
    fn manifest(&self) -> Cow<'static, str> {
        r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
             "name": "diary", "version": "0.1.0", "extensions": { "dev.keyway": {
               "api": ">=0.1, <0.2", "runtime": { "kind": "linked" },
               "contributes": { "tools": ["answer"] } } } }"#
            .into()
    }
    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Answer)?;
        Ok(())
    }
    async fn start(&self) -> Result<(), StartFailure> {
        // Fails once, so that the version from before can come back.
        if self.fails.swap(false, Ordering::SeqCst) {
            self.lines.lock().unwrap().push("failed");
            return Err(StartFailure("not now".to_owned()));
        }
        self.lines.lock().unwrap().push("start");
        Ok(())
    }
    async fn stop(&self) {
        self.lines.lock().unwrap().push("stop");
    }
}

async fn host(diary: &Diary) -> (Host, PluginId) {
    let builder = Host::builder("test", "1.0.0")
        .approver(ApproveAll)
        .plugin(diary.clone());
    let host = builder.build().unwrap();
    let report = host.start().await;
    assert!(report.plugin("diary").unwrap().is_running(), "{report:#?}");
    (host, PluginId::parse("diary").unwrap())
}

#[track_caller]
fn assert_lines(diary: &Diary, expected: &[&str]) {
    assert_eq!(*diary.lines.lock().unwrap(), expected);
}

async fn answers(host: &Host) -> bool {
    let view = host.view("acme/support/triage".parse().unwrap());
    view.call("diary/answer", "{}").await.is_ok()
}

#[tokio::test]
async fn start_first_overlaps_and_teardown_first_does_not() {
    for (mode, order) in [
        (ReloadMode::StartFirst, ["start", "start", "stop"]),
        (ReloadMode::TeardownFirst, ["start", "stop", "start"]),
    ] {
        let diary = Diary::default();
        let (host, id) = host(&diary).await;
        let report = host.reload_in(&id, mode).await.unwrap();
        assert_lines(&diary, &order);
        assert!(answers(&host).await, "{mode:?}");
        let message = report.result.message;
        let downtime = message
            .strip_prefix("Reloaded diary. Downtime: ")
            .and_then(|rest| rest.strip_suffix("ms."))
            .and_then(|ms| ms.parse::<u64>().ok());
        let measured = downtime.unwrap_or_else(|| panic!("{message}"));
        assert_eq!(measured > 0, mode == ReloadMode::TeardownFirst, "{message}");
    }
}

#[tokio::test]
async fn c10_a_failed_teardown_first_reload_brings_the_old_version_back() {
    let diary = Diary::default();
    let (host, id) = host(&diary).await;
    diary.fails.store(true, Ordering::SeqCst);
    let error = host
        .reload_in(&id, ReloadMode::TeardownFirst)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, HostError::Catalog(e) if e.code() == "RELOAD_FAILED"),
        "{error}"
    );
    assert_lines(&diary, &["start", "stop", "failed", "start"]);
    assert!(answers(&host).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c10_no_call_is_lost_while_plugins_are_reloaded() {
    let diary = Diary::default();
    let (host, id) = host(&diary).await;
    let host = Arc::new(host);
    let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (host, stop, calls) = (Arc::clone(&host), Arc::clone(&stop), Arc::clone(&calls));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert!(answers(&host).await);
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..20 {
        // Somebody calls all the time, before each of them too.
        let before = calls.load(Ordering::Relaxed);
        while calls.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
        host.reload(&id).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
}
