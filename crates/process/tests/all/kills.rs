//! Attack B1: processes that are killed or taken away from outside while they work.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use keyway_host::notice::Notice;
use keyway_test_support::TestHost;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use crate::load::{Load, Times};
use crate::support::{
    CEILING, Site, code, eventually, failures_in_trail, generous, is_listed, is_read, notice,
    processes, program, program_of, quick, running, tireless,
};

/// Kills in the test without times; each comes at another point of the plugin's life.
const KILLS: usize = 200;
/// Kills that are timed.
const TIMED: usize = 60;
/// Calls that are in flight at each of these.
const IN_FLIGHT: usize = 8;

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
    let tools = ["victim/echo", "victim/sleep", "victim/echo", "victim/sleep"];
    let load = Load::start(&host, &tools);
    load.is_answered().await;
    kill_often(&site).await;
    let calls = load.end().await;
    let known = ["NOT_RUNNING", "PLUGIN_GONE", "UNAVAILABLE", "UNKNOWN_TOOL"];
    let is_known = |code: &&str| known.contains(code);
    assert!(calls.failed.keys().all(is_known), "typed errors: {calls:?}");
    assert!(calls.longest < CEILING, "{calls:?}");
    assert!(calls.answered > 0);
    eventually("it serves again", || is_listed(&host, "victim/echo")).await;
    assert!(host.call("victim/echo", json!({})).await.is_ok());
    assert!(!failures_in_trail(&host, "victim").is_empty());
    host.host().shutdown().await;
    let left = std::fs::read_dir(site.store().join("scratch"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "no process and no folder is left");
}

/// How long after a kill the tools were out, and each call in flight had ended.
struct Killed {
    gone: Duration,
    ended: Vec<Duration>,
}

/// Kills the plugin with calls in flight; a process that it leaves behind holds its channel open.
async fn kill(site: &Site, host: &TestHost) -> Killed {
    let forked = host.call("victim/fork", json!({ "seconds": "4714" })).await;
    assert_eq!(forked.unwrap(), json!(true));
    let calls: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let view = host.view();
            tokio::spawn(async move {
                let called = view.call("victim/sleep", r#"{"ms":200000}"#).await;
                (called.map(drop).unwrap_err().code(), Instant::now())
            })
        })
        .collect();
    is_read(host, "victim").await;
    let (pid, mut changes) = (program_of(site, "victim").unwrap(), host.host().changes());
    changes.mark_unchanged();
    let began = Instant::now();
    kill_process(pid, Signal::KILL).unwrap();
    changes.changed().await.unwrap();
    let gone = began.elapsed();
    assert!(!is_listed(host, "victim/echo"));
    let mut ended = Vec::new();
    for call in calls {
        let (code, at) = call.await.unwrap();
        assert_eq!(code, "PLUGIN_GONE");
        ended.push(at.saturating_duration_since(began));
    }
    Killed { gone, ended }
}

/// Takes the notices of failures that have come.
fn failures(notices: &mut Receiver<Notice>) -> Vec<String> {
    let come = std::iter::from_fn(|| notices.try_recv().ok());
    let messages = come.map(|told| told.message);
    messages
        .filter(|message| message.contains("failed"))
        .collect()
}

#[tokio::test]
async fn s_b1_tools_leave_in_time_and_every_call_in_flight_ends_in_time_with_a_typed_error() {
    let site = Site::with(quick().with_supervision(tireless()))
        .stress("victim", &[])
        .stress("other", &[]);
    let host = running(&site).await;
    let load = Load::start(&host, &["other/echo"]);
    let (mut gone, mut ended, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let mut notices = host.host().notices();
    for _ in 0..TIMED {
        eventually("it serves", || is_listed(&host, "victim/echo")).await;
        let killed = kill(&site, &host).await;
        gone.push(killed.gone);
        ended.extend(killed.ended);
        told.extend(failures(&mut notices));
    }
    let (gone, ended) = (Times::of(gone), Times::of(ended));
    println!(
        "{} kills: tools out p50 {:?} p99 {:?} (marks: 5 ms, 100 ms); {} calls ended after {:?} at most (mark: 1 s)",
        gone.count(),
        gone.at(50),
        gone.at(99),
        ended.count(),
        ended.at(100),
    );
    // The margins are for a machine that does other things; without an end, a call takes 200 s.
    assert!(gone.at(50) < Duration::from_secs(2));
    assert!(gone.at(99) < CEILING && ended.at(100) < CEILING);
    eventually("the operator is told of each", || {
        told.extend(failures(&mut notices));
        told.len() >= TIMED
    })
    .await;
    assert_eq!(told.len(), TIMED);
    told.retain(|message| !message.contains("signal 9"));
    assert_eq!(told, [""; 0]);
    assert_eq!(failures_in_trail(&host, "victim").len(), TIMED);
    let others = load.end().await;
    assert!(others.failed.is_empty(), "{others:?}");
    assert!(failures_in_trail(&host, "other").is_empty());
    host.host().shutdown().await;
    eventually("nothing is left", || processes("sleep\x004714").is_empty()).await;
}

/// A host that takes the end of the channel for the only sign of death: the same kill, and again a
/// process that was left behind holds the channel open.
#[test]
fn s_b1_control_who_waits_for_the_end_of_the_channel_waits_on_after_a_kill() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new("/bin/sh")
        .args(["-c", "sleep 600 & echo ready; exec sleep 600"])
        .stdin(Stdio::null())
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .process_group(0)
        .spawn()
        .unwrap();
    ours.read_exact(&mut [0; 6]).unwrap();
    let group = Pid::from_child(&child);
    child.kill().unwrap();
    child.wait().unwrap();
    let second = Some(Duration::from_secs(1));
    ours.set_read_timeout(second).unwrap();
    // A read with a time limit is not resumed after a signal, and children of other tests end.
    let waited = loop {
        match ours.read(&mut [0]).unwrap_err().kind() {
            std::io::ErrorKind::Interrupted => {}
            kind => break kind,
        }
    };
    assert_eq!(waited, std::io::ErrorKind::WouldBlock);
    kill_process_group(group, Signal::KILL).unwrap();
}

#[tokio::test]
async fn s_b1_a_kill_is_told_with_its_reason_and_the_plugin_comes_back() {
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
    let site = Site::new().stress("victim", &[]);
    let host = running(&site).await;
    let kill = async {
        is_read(&host, "victim").await;
        kill_process(program(&site).unwrap(), Signal::KILL).unwrap();
    };
    let nap = host.call("victim/nap", json!({ "ms": 3_000 }));
    let sleep = host.call("victim/sleep", json!({ "ms": 200_000 }));
    let (nap, sleep, ()) = tokio::join!(nap, sleep, kill);
    assert_eq!(nap.unwrap(), json!("slept"), "idempotent: sent again");
    assert_eq!(
        code(&sleep),
        "PLUGIN_GONE",
        "not idempotent: never sent twice"
    );
}

#[tokio::test]
async fn l03_revoking_a_busy_plugin_ends_it_and_its_calls() {
    let limits = keyway_host::limits::Limits {
        stop: Duration::from_millis(500),
        ..generous()
    };
    let site = Site::new().stress("busy", &[]).stress("other", &[]);
    let host = site.start_with(|host| host.limits(limits)).await;
    let revoke = async {
        is_read(&host, "busy").await;
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
