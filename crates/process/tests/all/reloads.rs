//! New versions: under load, broken ones, swapped ones, and descriptions that drift.

use std::time::Duration;

use keyway_host::limits::Limits;
use keyway_plugin_api::PluginId;
use serde_json::json;

use crate::load::Load;
use crate::support::{
    CEILING, STRESS, Site, code, eventually, failure, generous, is_listed, is_read, manifest,
    notice, running,
};

fn id(name: &str) -> PluginId {
    PluginId::parse(name).unwrap()
}

/// Callers that never pause while something happens to the plugin.
const CALLERS: [&str; 4] = ["app/echo", "app/echo", "app/sleep", "app/sleep"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_b10_reloads_under_load_lose_no_call() {
    let site = Site::new().stress("app", &[]);
    let host = running(&site).await;
    let load = Load::start(&host, &CALLERS);
    for round in 0..10 {
        load.is_answered().await;
        site.packages
            .write_file("app", "version.txt", format!("{round}").as_bytes());
        host.host().reload(&id("app")).await.unwrap();
    }
    let calls = load.end().await;
    assert!(calls.failed.is_empty() && calls.answered > 0, "{calls:?}");
    let scratch = site.store().join("scratch");
    assert_eq!(
        std::fs::read_dir(scratch).unwrap().count(),
        1,
        "one process serves"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_b10_control_a_reload_that_takes_down_first_loses_calls() {
    let site = Site::new().stress("app", &[]);
    let host = running(&site).await;
    let load = Load::start(&host, &CALLERS);
    for _ in 0..3 {
        load.is_answered().await;
        host.disable("app").await;
        load.is_refused().await;
        host.enable("app").await;
    }
    let calls = load.end().await;
    assert!(!calls.failed.is_empty(), "{calls:?}");
}

/// Reloads while a call is in flight that takes so long, and returns how it ended.
async fn reload_under_a_call(ms: u64, grace: Duration) -> String {
    let limits = Limits {
        stop: grace,
        ..generous()
    };
    let site = Site::new().stress("app", &[]);
    let host = site.start_with(|host| host.limits(limits)).await;
    let reload = async {
        is_read(&host, "app").await;
        site.packages.write_file("app", "version.txt", b"2");
        host.host().reload(&id("app")).await.unwrap();
    };
    let call = host.call("app/sleep", json!({ "ms": ms }));
    let (called, ()) = tokio::join!(call, reload);
    assert!(host.call("app/echo", json!({})).await.is_ok());
    code(&called)
}

#[tokio::test]
async fn s_b10_a_call_in_flight_is_answered_by_the_version_that_it_began_with() {
    let ended = reload_under_a_call(2_000, CEILING).await;
    assert_eq!(ended, r#"worked: "slept""#);
}

#[tokio::test]
async fn s_b10_control_a_host_that_does_not_drain_loses_the_call_in_flight() {
    let ended = reload_under_a_call(200_000, Duration::ZERO).await;
    assert_eq!(ended, "PLUGIN_GONE");
}

/// What new versions do wrong, stage by stage: spawn and hello, handshake, register, start.
const BROKEN: [&str; 14] = [
    "exit-before-hello",
    "garbage-first-line",
    "huge-line",
    "hang-in-handshake",
    "bad-mac",
    "wrong-api",
    "other-identity",
    "exit-in-register",
    "register-fails",
    "register-less",
    "register-undeclared",
    "hang-in-register",
    "start-fails",
    "hang-in-start",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_b10_c10_versions_that_fail_at_each_stage_under_load_lose_no_call() {
    let limits = Limits {
        // What hangs is waited for; what works, under load, is there by then.
        start: Duration::from_secs(5),
        ..generous()
    };
    let site = Site::new().stress("app", &[]);
    let host = site.start_with(|host| host.limits(limits)).await;
    let load = Load::start(&host, &CALLERS);
    for switch in BROKEN {
        load.is_answered().await;
        site.packages
            .write_file("app", "switches", switch.as_bytes());
        let failed = host.host().reload(&id("app")).await.unwrap_err();
        assert_eq!(failed.code(), "RELOAD_FAILED", "{switch}: {failed}");
        assert!(host.call("app/echo", json!({})).await.is_ok(), "{switch}");
    }
    site.packages.write("app", "{");
    let failed = host.host().reload(&id("app")).await.unwrap_err();
    assert_eq!(failed.code(), "RELOAD_FAILED");
    // The control: a good version takes over.
    site.packages
        .write("app", &manifest("app", &[], &json!({})));
    site.packages
        .write_file("app", "switches", b"print-to-stdout");
    host.host().reload(&id("app")).await.unwrap();
    assert!(host.call("app/echo", json!({})).await.is_ok());
    let calls = load.end().await;
    assert!(calls.failed.is_empty() && calls.answered > 0, "{calls:?}");
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
    for words in ["TOOL_DRIFT", "~ echo/description: ", " is now "] {
        assert!(told.message.contains(words), "{words}: {told:?}");
    }
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
