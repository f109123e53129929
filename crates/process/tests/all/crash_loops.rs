//! Attack B5: plugins that crash again and again.

use std::time::Duration;

use keyway_host::notice::Notice;
use keyway_process::ProcessOptions;
use keyway_process::supervisor::SupervisorPolicy;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use crate::apart::{Apart, processor_ms, role, tell};
use crate::support::{
    Site, code, failures_in_trail, is_listed, notice, program, running, tireless,
};

/// How long a host is watched when its circuit is open.
const WATCHED: Duration = Duration::from_secs(4);
/// As many crashes as no circuit lets happen.
const MANY: usize = 7;

#[tokio::test]
async fn two_crashes_under_one_tool_take_that_tool_out_and_no_other() {
    let site = Site::new().stress("loop", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    for _ in 0..2 {
        let crashed = host.call("loop/crash", json!({})).await;
        assert_eq!(code(&crashed), "PLUGIN_GONE");
        notice(&mut notices, "runs again").await;
    }
    assert!(!is_listed(&host, "loop/crash"));
    assert!(host.call("loop/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b5_the_third_crash_opens_the_circuit() {
    let site = Site::new().stress("loop", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    for round in 0..3 {
        kill_process(program(&site).unwrap(), Signal::KILL).unwrap();
        let told = notice(&mut notices, "failed").await;
        let is_open = told.message.contains("tried again in 300000 ms");
        assert_eq!(is_open, round == 2, "{told:?}");
        if !is_open {
            notice(&mut notices, "runs again").await;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!is_listed(&host, "loop/echo"));
    assert!(program(&site).is_none(), "nothing is tried");
}

/// Starts this file's host and returns what it saw of a plugin that exits with each start.
fn looping(supervision: &str) -> Value {
    let test = "crash_loops::s_b5_a_loop_waits_longer_each_time_and_then_costs_nothing";
    let mut host = Apart::start(test, supervision);
    serde_json::from_str(&host.hear("report")).unwrap()
}

#[tokio::test]
async fn s_b5_a_loop_waits_longer_each_time_and_then_costs_nothing() {
    match role().as_deref() {
        None => {}
        Some("default") => return be_the_host(SupervisorPolicy::default()).await,
        Some(_) => return be_the_host(tireless()).await,
    }
    let report = looping("default");
    println!("{report}");
    assert_eq!(report["crashes"], json!(3), "{report}");
    // 200 ms and 400 ms, and a fifth more or less.
    let said = |wait: usize| report["waits"][wait].as_u64().unwrap();
    assert!((160..=240).contains(&said(0)), "{report}");
    assert!((320..=480).contains(&said(1)), "{report}");
    // It did wait: a moment that is seen late only makes this longer.
    assert!(
        report["took"].as_u64().unwrap() >= said(0) + said(1),
        "{report}"
    );
    // The mark is 2 % of one processor; the margin is for slow machines.
    let share = report["processor"].as_f64().unwrap();
    assert!(share < 0.1, "{report}");
}

#[tokio::test]
async fn s_b5_control_without_a_budget_a_loop_goes_on_for_ever() {
    let report = looping("tireless");
    println!("{report}");
    assert!(report["crashes"].as_u64() >= Some(MANY as u64), "{report}");
}

/// Runs a plugin that exits with each start, until its circuit is open or it has done so many times;
/// tells how often, and what it cost in the end.
async fn be_the_host(supervision: SupervisorPolicy) {
    let options = ProcessOptions::new().with_supervision(supervision);
    let site = Site::with(options).stress("loop", &["exit-after-start"]);
    let host = site.build();
    let mut notices = host.host().notices();
    let began = Instant::now();
    host.host().start().await;
    let waits = waits(&mut notices).await;
    let took = u64::try_from(began.elapsed().as_millis()).unwrap();
    let (began, before) = (Instant::now(), processor_ms());
    tokio::time::sleep(WATCHED).await;
    let used = processor_ms() - before;
    let share = used as f64 / began.elapsed().as_millis() as f64;
    let crashes = failures_in_trail(&host, "loop").len();
    let report = json!({ "crashes": crashes, "waits": waits, "took": took, "processor": share });
    tell("report", report);
}

/// Notes the milliseconds that a host says it waits after each crash, until the circuit is open.
async fn waits(notices: &mut Receiver<Notice>) -> Vec<u64> {
    let mut waits = Vec::new();
    while waits.len() < MANY {
        let told = notice(notices, "failed").await;
        let (_, rest) = told.message.split_once("tried again in ").unwrap();
        let (ms, _) = rest.split_once(" ms").unwrap();
        waits.push(ms.parse().unwrap());
        if ms == "300000" {
            break;
        }
    }
    waits
}
