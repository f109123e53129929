//! Attack B3: processes that are stopped, and healthy ones that look as if they were.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyway_channel::pulse::PulseLimits;
use keyway_process::ProcessOptions;
use keyway_test_support::TestHost;
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tokio::time::Instant;

use crate::apart::{Apart, role, tell};
use crate::support::{
    CEILING, DEAD, Site, failures_in_trail, is_listed, notice, program, program_of, quick, running,
    watchful,
};

/// How long a ping of [`patient`] may take, and how many may fail: a healthy process is not silent for
/// so long on any machine.
const PING: Duration = Duration::from_millis(500);
const PINGS: u32 = 10;
const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);
/// Beats of healthy processes in the test.
const BEATS: u64 = 10_000;
/// Plugins that beat at once.
const PLUGINS: usize = 8;

/// Options for healthy processes on a machine that does other things.
fn patient() -> ProcessOptions {
    let pulse = PulseLimits::default().with_idle_ms(500).with_misses(PINGS);
    quick().with_pulse(pulse)
}

/// Lets a time pass in one step, as a machine does that was suspended.
async fn jump(host: &TestHost, time: Duration) {
    host.clock().advance(time.as_millis().try_into().unwrap());
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn s_b3_a_process_that_is_stopped_is_dead_in_time_killed_and_comes_back() {
    let site = Site::with(watchful()).stress("victim", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    kill_process(program(&site).unwrap(), Signal::STOP).unwrap();
    let began = Instant::now();
    notice(&mut notices, "no sign of life").await;
    // The mark is the time itself; the margin is for a machine that does other things.
    assert!(began.elapsed() < DEAD * 5, "{:?}", began.elapsed());
    notice(&mut notices, "runs again").await;
    assert!(host.call("victim/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b3_control_without_a_heartbeat_a_stopped_process_counts_as_alive() {
    let pulse = PulseLimits::default().with_idle_ms(3_600_000);
    let site = Site::with(quick().with_pulse(pulse)).stress("victim", &[]);
    let host = running(&site).await;
    kill_process(program(&site).unwrap(), Signal::STOP).unwrap();
    tokio::time::sleep(DEAD + DEAD / 2).await;
    assert!(is_listed(&host, "victim/echo"));
    let asked = host.view();
    let limit = Duration::from_millis(500);
    let asked = asked.call_within(limit, "victim/echo", "{}").await;
    assert_eq!(asked.unwrap_err().code(), "DEADLINE_EXCEEDED");
    assert!(failures_in_trail(&host, "victim").is_empty());
}

#[tokio::test]
async fn s_b3_a_process_that_answers_no_ping_is_declared_dead_and_a_busy_one_is_not() {
    let site = Site::with(watchful())
        .stress("frozen-plugin", &["ignore-ping"])
        .stress("busy", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    // It answers no ping, as a stopped process does not; its channel stays open.
    let told = notice(&mut notices, "no sign of life").await;
    assert_eq!(told.plugin.as_str(), "frozen-plugin");
    // The control: a plugin whose only tool is stuck answers pings and lives.
    let view = host.view();
    let stuck = view.call_within(DEAD + DEAD / 2, "busy/stuck", "{}").await;
    assert_eq!(stuck.unwrap_err().code(), "DEADLINE_EXCEEDED");
    assert!(is_listed(&host, "busy/echo"));
    assert!(failures_in_trail(&host, "busy").is_empty());
}

#[tokio::test]
async fn s_b3_pings_alone_do_not_keep_a_plugin_whose_handlers_are_stuck() {
    let site = Site::with(watchful().with_cancel_grace(Duration::from_millis(100)))
        .stress("hollow", &["ping-ok-but-handlers-stuck"]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    let view = host.view();
    let stuck = async |limit| {
        let result = view.call_within(limit, "hollow/echo", "{}").await;
        assert_eq!(result.unwrap_err().code(), "DEADLINE_EXCEEDED");
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    // Silent for longer than a plugin without pings is borne with.
    stuck(DEAD + DEAD / 2).await;
    assert!(failures_in_trail(&host, "hollow").is_empty(), "it pings");
    stuck(Duration::from_millis(50)).await;
    stuck(Duration::from_millis(50)).await;
    notice(&mut notices, "went on after they were cancelled").await;
}

/// Keeps one processor busy until it is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        Self(is_over)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn s_b3_ten_thousand_beats_on_a_busy_machine_kill_nobody_who_is_healthy() {
    // A beat every 5 ms; dead after five seconds of silence, which a busy machine does not reach.
    let pulse = PulseLimits::default().with_idle_ms(5).with_misses(1_000);
    let names: Vec<String> = (0..PLUGINS).map(|n| format!("healthy{n}")).collect();
    let site = Site::with(quick().with_pulse(pulse));
    let add = |site: Site, name: &String| site.stress(name, &[]);
    let site = names.iter().fold(site, add);
    let host = running(&site).await;
    let busy = Busy::start();
    let mut beats = 0;
    let began = Instant::now();
    while beats < BEATS {
        assert!(began.elapsed() < CEILING * 4, "{beats} beats");
        tokio::time::sleep(Duration::from_millis(500)).await;
        beats = 0;
        for name in &names {
            let counted = host.call(&format!("{name}/beats"), json!({})).await;
            beats += counted.unwrap().as_u64().unwrap();
        }
    }
    drop(busy);
    for name in &names {
        assert!(failures_in_trail(&host, name).is_empty(), "{name}");
    }
    // The control: the beats were what is counted. Who is not healthy gives none, and is found out by a
    // slower heartbeat; one of 5 ms takes every delay of a busy machine for a suspend.
    let site = Site::with(watchful()).stress("ill", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    kill_process(program(&site).unwrap(), Signal::STOP).unwrap();
    notice(&mut notices, "no sign of life").await;
}

#[tokio::test]
async fn s_b3_after_a_jump_of_six_hours_a_fresh_ping_has_to_fail_first() {
    let site = Site::with(patient())
        .stress("healthy", &[])
        .stress("frozen-plugin", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    kill_process(program_of(&site, "frozen-plugin").unwrap(), Signal::STOP).unwrap();
    jump(&host, SIX_HOURS).await;
    let began = Instant::now();
    let told = notice(&mut notices, "no sign of life").await;
    assert_eq!(told.plugin.as_str(), "frozen-plugin");
    assert!(began.elapsed() >= PING, "the hours count for nothing");
    tokio::time::sleep(PING * 4).await;
    assert!(failures_in_trail(&host, "healthy").is_empty());
    assert!(host.call("healthy/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b3_control_who_counts_the_hours_kills_a_healthy_process_after_a_jump() {
    let site = Site::new().stress("clockwork", &[]);
    let host = running(&site).await;
    let mut child = Command::new("/bin/cat")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let heard = Instant::now();
    let is_dead = |heard: Instant| heard.elapsed() > Duration::from_secs(15);
    assert!(!is_dead(heard));
    jump(&host, SIX_HOURS).await;
    assert!(child.try_wait().unwrap().is_none(), "it is healthy");
    if is_dead(heard) {
        child.kill().unwrap();
    }
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[tokio::test]
async fn s_b3_a_host_that_was_suspended_finds_its_plugins_alive() {
    if role().is_some() {
        return suspended().await;
    }
    let test = "heartbeats::s_b3_a_host_that_was_suspended_finds_its_plugins_alive";
    let mut host = Apart::start(test, "suspended");
    host.hear("up");
    host.signal(Signal::STOP);
    // Longer than a silent process is borne with.
    tokio::time::sleep(PING * (PINGS + 4)).await;
    host.signal(Signal::CONT);
    assert_eq!(host.hear("failures"), "0");
    assert_eq!(host.hear("same process"), "true");
}

/// The host that is suspended, while its plugin runs on.
async fn suspended() {
    let site = Site::with(patient()).stress("healthy", &[]);
    let host = running(&site).await;
    let before = program(&site);
    tell("up", true);
    // Its own time stands still for a part of this, or not: either way a few beats remain.
    tokio::time::sleep(PING * (PINGS + 8)).await;
    tell("failures", failures_in_trail(&host, "healthy").len());
    tell("same process", program(&site) == before);
}
