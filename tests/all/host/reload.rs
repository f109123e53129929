//! Reloading while plugins answer: a failed reload changes nothing at all.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use keyway_host::limits::Limits;
use keyway_host::rank::Trust;
use keyway_test_support::{CodeRuntime, TempPackages, TestHost};
use serde_json::json;
use std::time::Duration;

use super::guest::{Act, Guest, guest};
use super::{id, refused};

struct Stage {
    host: TestHost,
    code: Guest,
    packages: TempPackages,
    state: tempfile::TempDir,
}

/// A start that hangs is waited for so long; one that works takes a small part of it on any machine.
const HANGING: Duration = Duration::from_secs(3);

async fn stage(start: Duration) -> Stage {
    let code = guest("notes").tool("list").process();
    let (packages, state) = (TempPackages::new(), tempfile::tempdir().unwrap());
    packages.write("notes", &code.text());
    let runtime = CodeRuntime::new().with("notes", code.clone());
    let limits = Limits {
        start,
        ..Limits::default()
    };
    let folder = packages.path().to_owned();
    let host = TestHost::builder()
        .state_dir(state.path())
        .configure(|host| host.runtime(runtime).limits(limits))
        .configure(|host| host.plugins_dir(folder, Trust::Trusted))
        .start()
        .await;
    Stage {
        host,
        code,
        packages,
        state,
    }
}

impl Stage {
    fn catalog_file(&self) -> Vec<u8> {
        let files = fs::read_dir(self.state.path()).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let is_json = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
        let catalog = paths.into_iter().find(is_json).unwrap();
        fs::read(catalog).unwrap()
    }

    async fn answers(&self) -> bool {
        self.host.call("notes/list", json!({})).await.is_ok()
    }
}

#[tokio::test]
async fn c10_a_failed_reload_leaves_the_old_instance_and_the_file_alone() {
    type Break = fn(&Stage);
    let broken: [(&str, &str, Break); 8] = [
        ("no json", "read", |s| s.packages.write("notes", "{")),
        ("no version", "read", |s| {
            s.packages.write("notes", r#"{"name": "notes"}"#)
        }),
        ("no file", "read", |s| {
            fs::remove_file(s.packages.folder("notes").join("plugin.json")).unwrap();
        }),
        ("another name", "read", |s| {
            s.packages.write("notes", &guest("other").process().text())
        }),
        ("register fails", "initialize", |s| {
            s.code.seen().register_next(Act::Fails)
        }),
        ("start fails", "initialize", |s| {
            s.code.seen().start_next(Act::Fails)
        }),
        ("start panics", "initialize", |s| {
            s.code.seen().start_next(Act::Panics)
        }),
        ("start hangs", "initialize", |s| {
            s.code.seen().start_next(Act::Hangs)
        }),
    ];
    for (case, stage_name, break_it) in broken {
        let stage = stage(HANGING).await;
        let before = stage.catalog_file();
        break_it(&stage);
        let error = refused(
            stage.host.host().reload(&id("notes")).await,
            "RELOAD_FAILED",
        );
        let says = format!("failed at {stage_name}");
        assert!(error.to_string().contains(&says), "{case}: {error}");
        assert!(stage.answers().await, "{case}");
        assert_eq!(stage.catalog_file(), before, "{case}");
        let (_, stops) = stage.code.seen().starts_and_stops();
        assert_eq!(stops, 0, "{case}: the old instance was torn down");
    }
}

/// Calls go on while reloads fail and succeed; none of them is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_nobody_who_calls_notices_a_reload() {
    let stage = stage(Duration::from_secs(60)).await;
    let (host, code) = (Arc::new(stage.host), stage.code);
    let (done, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (host, done, calls) = (Arc::clone(&host), Arc::clone(&done), Arc::clone(&calls));
            tokio::spawn(async move {
                while !done.load(Ordering::Acquire) {
                    host.call("notes/list", json!({})).await.unwrap();
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for round in 0..30 {
        let act = if round % 3 == 0 {
            Act::Fails
        } else {
            Act::Works
        };
        code.seen().start_next(act);
        // Somebody calls all the time, before each of them too.
        let before = calls.load(Ordering::Relaxed);
        while calls.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
        let reloaded = host.host().reload(&id("notes")).await;
        assert_eq!(reloaded.is_ok(), act == Act::Works, "{reloaded:?}");
    }
    done.store(true, Ordering::Release);
    for caller in callers {
        caller.await.unwrap();
    }
    let (starts, stops) = code.seen().starts_and_stops();
    assert_eq!(
        (starts, stops),
        (31, 20),
        "each instance that ran is stopped once"
    );
}
