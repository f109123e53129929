//! New versions: under load, broken ones, swapped ones, and descriptions that drift.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keyway_plugin_api::PluginId;
use serde_json::json;

use crate::support::{
    STRESS, Site, code, eventually, failure, is_listed, manifest, notice, running,
};

fn id(name: &str) -> PluginId {
    PluginId::parse(name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_b10_reloads_under_load_lose_no_call() {
    let site = Site::new().stress("app", &[]);
    let host = Arc::new(running(&site).await);
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (view, stop, calls) = (host.view(), Arc::clone(&stop), Arc::clone(&calls));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    view.call("app/echo", "{}").await.unwrap();
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..10 {
        site.packages
            .write_file("app", "version.txt", format!("{round}").as_bytes());
        host.host().reload(&id("app")).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("a call was lost");
    }
    assert!(calls.load(Ordering::Relaxed) > 0);
    let scratch = site.store().join("scratch");
    assert_eq!(
        std::fs::read_dir(scratch).unwrap().count(),
        1,
        "one process serves"
    );
}

#[tokio::test]
async fn c10_a_new_version_that_fails_leaves_the_old_one_serving() {
    let site = Site::new().stress("app", &[]);
    let host = running(&site).await;
    for switch in [
        "exit-before-hello",
        "bad-mac",
        "register-fails",
        "start-fails",
    ] {
        site.packages
            .write_file("app", "switches", switch.as_bytes());
        let failed = host.host().reload(&id("app")).await.unwrap_err();
        assert_eq!(failed.code(), "RELOAD_FAILED", "{switch}: {failed}");
        assert!(host.call("app/echo", json!({})).await.is_ok(), "{switch}");
    }
    site.packages.write("app", "{");
    let failed = host.host().reload(&id("app")).await.unwrap_err();
    assert_eq!(failed.code(), "RELOAD_FAILED");
    assert!(host.call("app/echo", json!({})).await.is_ok());
    // The control: a good version takes over.
    site.packages
        .write("app", &manifest("app", &[], &json!({})));
    site.packages
        .write_file("app", "switches", b"print-to-stdout");
    host.host().reload(&id("app")).await.unwrap();
    assert!(host.call("app/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_d6_bytes_that_were_swapped_after_the_approval_do_not_run() {
    let site = Site::new().stress("app", &[]);
    let host = site.start_with(|host| host).await;
    drop(host);
    // Approved, and known to the store by now; another host is handed another package.
    let other = Site::new().stress("app", &[]);
    let host = other
        .start_with(|host| {
            // Read and approved, not started yet: here the bytes change.
            let program = other.packages.folder("app").join("bin/stress");
            let built = host;
            std::fs::OpenOptions::new()
                .append(true)
                .open(program)
                .unwrap();
            built
        })
        .await;
    assert!(is_listed(&host, "app/echo"));
    host.disable("app").await;
    let program = other.packages.folder("app").join("bin/stress");
    let mut bytes = std::fs::read(STRESS).unwrap();
    bytes.push(0);
    std::fs::remove_file(&program).unwrap();
    other.packages.write_file("app", "bin/stress", &bytes);
    // The store still has what was approved, and that is what runs.
    host.enable("app").await;
    assert!(host.call("app/echo", json!({})).await.is_ok());
    host.disable("app").await;
    // Without the store's copy nothing runs.
    let packages = other.store().join("packages");
    for copy in std::fs::read_dir(&packages).unwrap().flatten() {
        std::fs::remove_dir_all(copy.path()).unwrap();
    }
    let refused = host
        .host()
        .run(&keyway_host::catalog::Operation::Enable { plugin: id("app") })
        .await;
    let refused = refused.unwrap_err();
    assert!(
        refused.to_string().contains("not what was approved"),
        "{refused}"
    );
}

#[tokio::test]
async fn l13_tools_that_describe_themselves_otherwise_after_a_restart_stay_out() {
    let site = Site::new().stress("drifter", &["tool-list-drift"]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    assert_eq!(
        code(&host.call("drifter/crash", json!({})).await),
        "PLUGIN_GONE"
    );
    let told = notice(&mut notices, "not started again").await;
    assert!(told.message.contains("TOOL_DRIFT"), "{told:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!is_listed(&host, "drifter/echo"));
    eventually("its process is gone", || {
        std::fs::read_dir(site.store().join("scratch"))
            .unwrap()
            .count()
            == 0
    })
    .await;
}

#[tokio::test]
async fn s_d7_commands_that_run_any_text_are_refused() {
    let run = |command: &str, args: &[&str]| json!({ "runtime": { "kind": "process", "command": command, "args": args } });
    let site = Site::new()
        .plugin("shell", &[], run("sh", &["-c", "id"]))
        .plugin("env", &[], run("env", &["python3", "main.py"]))
        .plugin("inline", &[], run("python3", &["-c", "print(1)"]))
        .plugin("outside", &[], run("python3", &["/etc/passwd"]))
        .plugin("absolute", &[], run("/bin/true", &[]));
    let host = site.start().await;
    for (plugin, expected) in [
        ("shell", "PROGRAM_INTERPRETER"),
        ("env", "PROGRAM_INTERPRETER"),
        ("inline", "PROGRAM_INLINE_CODE"),
        ("outside", "PROGRAM_NOT_IN_PACKAGE"),
        ("absolute", "PROGRAM_INTERPRETER"),
    ] {
        let (code, reason) = failure(&host, plugin);
        assert_eq!(code, expected, "{plugin}: {reason}");
    }
}

#[tokio::test]
async fn state_is_brought_to_a_new_layout_by_the_new_process() {
    let fields = |layout: u32| {
        json!({
            "capabilities": [{ "kind": "state", "quotaBytes": 1000, "reason": "notes" }],
            "state": { "owns": true, "version": layout },
        })
    };
    let site = Site::new().plugin("keeper", &[], fields(1));
    let host = running(&site).await;
    let put = json!({ "method": "host/state.put", "params": { "key": "k", "value": "aGk=" } });
    host.call("keeper/ask", put).await.unwrap();
    site.packages
        .write("keeper", &manifest("keeper", &[], &fields(2)));
    host.host().reload(&id("keeper")).await.unwrap();
    let list = json!({ "method": "host/state.list", "params": { "prefix": "" } });
    let keys = host.call("keeper/ask", list).await.unwrap();
    assert_eq!(keys["result"]["keys"], json!(["k", "migrated"]), "{keys}");
}
