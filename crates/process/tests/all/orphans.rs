//! Attack B6: processes that try to stay when their plugin or their host is gone.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::Instant;

use crate::apart::{Apart, role, tell};
use crate::support::{CEILING, Site, eventually, is_listed, processes, running};

/// The mark is 2 s; the margin is for a machine that does other things.
const SOON: Duration = Duration::from_secs(30);

/// A time to sleep for that no other process of this machine sleeps for.
fn unique(number: u32) -> String {
    format!("4711.{}{number}", std::process::id())
}

/// Processes that sleep for a time, and none that is about to become one.
fn sleepers(seconds: &str) -> Vec<PathBuf> {
    let mut found = processes(&format!("sleep\0{seconds}\0"));
    let is_sleep = |line: &[u8]| line.starts_with(b"sleep\0") || line.starts_with(b"/bin/sleep\0");
    found.retain(|path| std::fs::read(path.join("cmdline")).is_ok_and(|line| is_sleep(&line)));
    found
}

/// Asserts that in a short time there is none any more.
async fn none_left(what: &str, mut found: impl FnMut() -> Vec<PathBuf>) {
    let began = Instant::now();
    eventually(what, || found().is_empty()).await;
    let took = began.elapsed();
    println!("{what}: nothing was left after {took:?} (mark: 2 s)");
    assert!(took < SOON, "{what}: {took:?}");
}

#[tokio::test]
async fn s_b6_nothing_is_left_of_a_tree_after_its_plugin_stopped() {
    let site = Site::new().stress("parent", &[]);
    let host = running(&site).await;
    let seconds = unique(0);
    let forked = host
        .call("parent/fork", json!({ "seconds": seconds }))
        .await;
    assert_eq!(forked.unwrap(), json!(true));
    eventually("the grandchild runs", || !sleepers(&seconds).is_empty()).await;
    host.disable("parent").await;
    none_left("stopped", || sleepers(&seconds)).await;
}

#[tokio::test]
async fn s_b6_a_grandchild_that_outlives_its_parent_ends_with_it() {
    let site = Site::new().stress("leaver", &["fork-grandchild-and-exit"]);
    let host = site.start().await;
    eventually("it is known to be gone", || {
        !is_listed(&host, "leaver/echo")
    })
    .await;
    host.host().shutdown().await;
    none_left("its parent left", || sleepers("4712")).await;
}

#[tokio::test]
async fn s_b6_a_plugin_that_will_not_stop_is_ended_in_time() {
    let site = Site::new().stress("stubborn", &["ignore-stop"]);
    let host = running(&site).await;
    let began = Instant::now();
    host.disable("stubborn").await;
    assert!(began.elapsed() < CEILING, "{:?}", began.elapsed());
    let store = site.store().to_string_lossy().into_owned();
    none_left("it would not stop", || processes(&store)).await;
}

#[tokio::test]
async fn s_b6_a_host_that_is_killed_or_aborts_leaves_no_process() {
    if role().is_some() {
        return be_the_host().await;
    }
    for signal in [Signal::KILL, Signal::ABORT] {
        let test = "orphans::s_b6_a_host_that_is_killed_or_aborts_leaves_no_process";
        let mut host = Apart::start(test, "host");
        let (store, seconds) = (host.hear("store"), host.hear("seconds"));
        // The control: there is something to be left behind.
        assert!(!processes(&store).is_empty() && !sleepers(&seconds).is_empty());
        host.signal(signal);
        host.wait();
        let left = || [processes(&store), sleepers(&seconds)].concat();
        none_left(&format!("the host got {signal:?}"), left).await;
    }
}

fn scratch_folders(store: &Path) -> usize {
    std::fs::read_dir(store.join("scratch")).unwrap().count()
}

/// While the host lives, another one on the same store leaves its process the folder.
#[tokio::test]
async fn s_b6_the_folder_that_a_killed_host_leaves_goes_at_the_next_start() {
    if role().is_some() {
        return be_the_host().await;
    }
    let test = "orphans::s_b6_the_folder_that_a_killed_host_leaves_goes_at_the_next_start";
    let mut killed = Apart::start(test, "host");
    let store = PathBuf::from(killed.hear("store"));
    killed.hear("seconds");
    assert_eq!(scratch_folders(&store), 1);
    // The control: a start takes nothing from a host that lives.
    let options = keyway_process::ProcessOptions::new();
    drop(keyway_process::ProcessRuntime::new(&store, options.clone()).unwrap());
    assert_eq!(scratch_folders(&store), 1);
    killed.signal(Signal::KILL);
    killed.wait();
    assert_eq!(scratch_folders(&store), 1, "nobody is left who removes it");
    let path = store.to_string_lossy().into_owned();
    none_left("its processes", || processes(&path)).await;
    drop(keyway_process::ProcessRuntime::new(&store, options).unwrap());
    assert_eq!(scratch_folders(&store), 0);
}

/// A host with a plugin that has left a process behind; it stays until it is killed.
async fn be_the_host() {
    let site = Site::new().stress("orphan", &[]);
    let host = running(&site).await;
    let seconds = unique(1);
    let forked = host
        .call("orphan/fork", json!({ "seconds": seconds }))
        .await;
    assert_eq!(forked.unwrap(), json!(true));
    eventually("the grandchild runs", || !sleepers(&seconds).is_empty()).await;
    tell("store", site.store().display());
    tell("seconds", seconds);
    std::future::pending::<()>().await;
}

/// A plain child does what the plugin of the tests above does.
#[tokio::test]
async fn s_b6_control_a_plain_child_leaves_its_process_behind_when_it_is_killed() {
    let seconds = unique(2);
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("setsid -f sleep {seconds}; exec sleep 600")])
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    eventually("the grandchild runs", || !sleepers(&seconds).is_empty()).await;
    // The whole group is killed, as careful hosts do it.
    rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let left = sleepers(&seconds);
    assert_eq!(left.len(), 1, "{left:?}");
    let left = crate::support::highest(&left).unwrap();
    kill_process(left, Signal::KILL).unwrap();
}
