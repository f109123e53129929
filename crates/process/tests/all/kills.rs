//! Processes that are killed, stopped and revoked from outside while they work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keyway_process::supervisor::SupervisorPolicy;
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    Site, code, eventually, failures_in_trail, is_listed, notice, program, quick, running, watchful,
};

/// Kills in the test; each comes at another point of the plugin's life.
const KILLS: usize = 200;

/// A supervisor that never tires, so that the budget does not end the test.
fn tireless() -> SupervisorPolicy {
    SupervisorPolicy {
        backoff_ms: 1,
        backoff_max_ms: 5,
        crashes: usize::MAX,
        strikes: u32::MAX,
        ..SupervisorPolicy::default()
    }
}

/// Calls without end, and how they ended.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    done: AtomicUsize,
    /// Calls that ended in another way than with an answer or a typed error, or late.
    wrong: AtomicUsize,
}

impl Load {
    async fn call(&self, view: keyway_host::view::View, tool: &str) {
        while !self.is_over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let called = view.call(tool, r#"{"ms":20}"#).await;
            let known = ["PLUGIN_GONE", "UNAVAILABLE", "UNKNOWN_TOOL", "NOT_RUNNING"];
            let is_known = called
                .as_ref()
                .err()
                .is_none_or(|error| known.contains(&error.code()));
            if !is_known || began.elapsed() > Duration::from_secs(20) {
                self.wrong.fetch_add(1, Ordering::Relaxed);
            }
            match called {
                Ok(_) => drop(self.done.fetch_add(1, Ordering::Relaxed)),
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }
}

/// Kills the plugin's program at ever other moments.
async fn kill_often(site: &Site) {
    let mut killed = 0;
    while killed < KILLS {
        let pause = u64::try_from(killed * 7 % 13).unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if let Some(pid) = program(site)
            && kill_process(pid, Signal::KILL).is_ok()
        {
            killed += 1;
            let gone = || rustix::process::test_kill_process(pid).is_err();
            eventually("the killed process is reaped", gone).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s_b1_kills_at_random_under_load_cost_the_calls_in_flight_and_nothing_else() {
    let site = Site::with(quick().with_supervision(tireless())).stress("victim", &[]);
    let host = running(&site).await;
    let load = Arc::new(Load::default());
    let tools = ["victim/echo", "victim/sleep", "victim/echo", "victim/sleep"];
    let callers = tools.map(|tool| {
        let (load, view) = (Arc::clone(&load), host.view());
        tokio::spawn(async move { load.call(view, tool).await })
    });
    kill_often(&site).await;
    load.is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(
        load.wrong.load(Ordering::Relaxed),
        0,
        "typed errors, and none late"
    );
    assert!(load.done.load(Ordering::Relaxed) > 0);
    eventually("it serves again", || is_listed(&host, "victim/echo")).await;
    assert!(host.call("victim/echo", json!({})).await.is_ok());
    assert!(!failures_in_trail(&host, "victim").is_empty());
    host.host().shutdown().await;
    let left = std::fs::read_dir(site.store().join("scratch"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "no process and no folder is left");
}

#[tokio::test]
async fn s_b1_a_kill_takes_the_tools_out_at_once() {
    let site = Site::new().stress("victim", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    let pid = program(&site).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let told = notice(&mut notices, "failed").await;
    assert!(told.message.contains("signal 9"), "{told:?}");
    notice(&mut notices, "runs again").await;
}

#[tokio::test]
async fn a_call_that_may_be_repeated_is_and_another_is_not() {
    let policy = SupervisorPolicy {
        backoff_ms: 20,
        ..SupervisorPolicy::default()
    };
    let site = Site::with(quick().with_supervision(policy)).stress("victim", &[]);
    let host = running(&site).await;
    let kill = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        kill_process(program(&site).unwrap(), Signal::KILL).unwrap();
    };
    let nap = host.call("victim/nap", json!({ "ms": 1_000 }));
    let sleep = host.call("victim/sleep", json!({ "ms": 1_000 }));
    let (nap, sleep, ()) = tokio::join!(nap, sleep, kill);
    assert_eq!(nap.unwrap(), json!("slept"), "idempotent: sent again");
    assert_eq!(
        code(&sleep),
        "PLUGIN_GONE",
        "not idempotent: never sent twice"
    );
}

#[tokio::test]
async fn s_b3_a_process_that_is_stopped_is_killed_and_comes_back() {
    let site = Site::with(watchful()).stress("victim", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    kill_process(program(&site).unwrap(), Signal::STOP).unwrap();
    notice(&mut notices, "no sign of life").await;
    notice(&mut notices, "runs again").await;
    assert!(host.call("victim/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b3_a_healthy_process_is_never_taken_for_dead() {
    let site = Site::with(watchful()).stress("healthy", &[]);
    let host = running(&site).await;
    // Many heartbeats while the machine is busy with something else.
    let busy = std::thread::spawn(|| {
        let began = std::hint::black_box(0u64);
        (0..400_000_000u64).fold(began, |sum, number| {
            sum.wrapping_add(std::hint::black_box(number))
        })
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    busy.join().unwrap();
    assert!(failures_in_trail(&host, "healthy").is_empty());
    assert!(host.call("healthy/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn l03_revoking_a_busy_plugin_ends_it_and_its_calls() {
    let limits = keyway_host::limits::Limits {
        stop: Duration::from_millis(500),
        ..Default::default()
    };
    let site = Site::new().stress("busy", &[]).stress("other", &[]);
    let host = site.start_with(|host| host.limits(limits)).await;
    let revoke = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        host.revoke("busy").await;
        assert!(!is_listed(&host, "busy/echo"));
    };
    let call = host.call("busy/sleep", json!({ "ms": 60_000 }));
    let (call, ()) = tokio::join!(call, revoke);
    assert!(call.is_err());
    let scratch = site.store().join("scratch");
    let processes = || std::fs::read_dir(&scratch).unwrap().count();
    eventually("its process is gone", || processes() == 1).await;
    assert!(host.call("other/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b6_a_plugin_that_will_not_stop_is_ended_in_time() {
    let site = Site::new().stress("stubborn", &["ignore-stop"]);
    let host = running(&site).await;
    let began = Instant::now();
    host.disable("stubborn").await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let scratch = site.store().join("scratch");
    let processes = || std::fs::read_dir(&scratch).unwrap().count();
    eventually("its process is gone", || processes() == 0).await;
}

/// Set for the test below when it is to be the host that is killed.
const HOST: &str = "KEYWAY_TEST_BE_THE_HOST";

#[tokio::test]
async fn s_b6_a_host_that_is_killed_leaves_no_process() {
    if std::env::var_os(HOST).is_some() {
        let site = Site::new().stress("orphan", &[]);
        let host = running(&site).await;
        assert!(host.call("orphan/fork", json!({})).await.is_ok());
        println!("store={}", site.store().display());
        std::future::pending::<()>().await;
    }
    let own = std::env::current_exe().unwrap();
    let mut child = std::process::Command::new(own)
        .args([
            "--exact",
            "kills::s_b6_a_host_that_is_killed_leaves_no_process",
            "--nocapture",
        ])
        .env(HOST, "1")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let store = lines.find_map(|line| Some(line.ok()?.split_once("store=")?.1.to_owned()));
    let store = store.expect("the host came up");
    // The control: there is something to be left behind.
    assert!(!crate::support::processes(&store).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("nothing is left", || {
        crate::support::processes(&store).is_empty()
    })
    .await;
}
