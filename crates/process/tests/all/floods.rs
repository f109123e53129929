//! Attack B7: plugins that say too much, and plugins that do not listen. Each host is a process of
//! its own, so that what is weighed is that host alone.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use keyway_host::Host;
use keyway_host::effects::EffectPerformer;
use keyway_host::gate::EffectPermit;
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_host::view::View;
use keyway_plugin_api::{EffectReply, EffectRequest, ToolError, async_trait};
use keyway_test_support::ScriptedApprover;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::apart::{Apart, forget_peak, memory_kib, role, tell};
use crate::load::paced;
use crate::support::{CEILING, Site, generous};

/// What a flood may cost its host.
const MARK_KIB: u64 = 16 * 1024;
/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(4);
/// Bytes of what is said or sent again and again.
const CHUNK: usize = 64 * 1024;
/// Calls at once into a plugin that does not listen: twice what a host lets in.
const CALLS: usize = 64;

/// A plugin that does not read; one that writes to its output without end; one that writes a line
/// without end to the channel; one that writes log lines there.
const FLOODS: [&str; 4] = ["deaf", "junk", "line", "notices"];

/// Runs a flood, or what the control does with it, in a process of its own.
fn apart(role: &str) -> Value {
    let test = "floods::s_b7_a_flood_costs_its_host_little_memory_and_others_answer";
    let report = Apart::start(test, role).hear("report");
    println!("{role}: {report}");
    serde_json::from_str(&report).unwrap()
}

#[tokio::test]
async fn s_b7_a_flood_costs_its_host_little_memory_and_others_answer() {
    match role() {
        None => {}
        Some(role) => match role.strip_prefix("naive ") {
            Some(flood) => return tell("report", naive(flood)),
            None => return tell("report", flooded(&role).await),
        },
    }
    for flood in FLOODS {
        let report = apart(flood);
        let number = |name: &str| report[name].as_u64().unwrap();
        assert!(number("grownKib") <= MARK_KIB, "{flood}: {report}");
        // The mark is twice; the margin is for a machine of few processors that does other things.
        let (before, meanwhile) = (number("p99BeforeUs"), number("p99MeanwhileUs"));
        assert!(meanwhile < before * 20 + 20_000_000, "{flood}: {report}");
        let is_told = report["told"].to_string().contains("FRAME_TOO_LARGE");
        assert_eq!(is_told, flood == "line", "{flood}: {report}");
    }
}

#[test]
fn s_b7_control_a_reader_that_takes_what_comes_and_a_queue_without_end_hold_it_all() {
    for flood in FLOODS {
        let report = apart(&format!("naive {flood}"));
        let grown = report["grownKib"].as_u64().unwrap();
        assert!(grown > 2 * MARK_KIB, "{flood}: {report}");
    }
}

/// Takes log lines and keeps none, so that what a test remembers does not count as the host's.
struct Forgetful;

#[async_trait]
impl EffectPerformer for Forgetful {
    async fn perform(
        &self,
        _permit: EffectPermit,
        _request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        Ok(EffectReply::Done)
    }
}

/// Starts a host that keeps its trail in a file.
async fn started(site: &Site, state: &tempfile::TempDir) -> Host {
    let host = Host::builder("flooded", "1.0.0")
        .state_dir(state.path())
        .runtime(site.runtime())
        .plugins_dir(site.packages.path(), Trust::Community)
        .limits(generous())
        .approver(ScriptedApprover::approving())
        .effects(Forgetful)
        .build()
        .unwrap();
    let report = host.start().await;
    assert_eq!(report.failures().count(), 0, "{report:?}");
    host
}

/// Lets one plugin flood its host while another is called, and says what that cost.
async fn flooded(flood: &str) -> Value {
    let site = Site::new()
        .stress("bad", &["print-to-stdout"])
        .stress("good", &[]);
    let state = tempfile::tempdir().unwrap();
    let host = started(&site, &state).await;
    let view = Arc::new(host.view(Scope::everywhere()));
    let mut notices = host.notices();
    let before = paced(&view, "good/echo", 300, &AtomicBool::new(true)).await;
    let resident = memory_kib("VmRSS:");
    forget_peak();
    let is_over = AtomicBool::new(false);
    let flooding = async {
        let ends = pour(&view, flood).await;
        is_over.store(true, Ordering::Relaxed);
        ends
    };
    let (ends, meanwhile) = tokio::join!(flooding, paced(&view, "good/echo", 300, &is_over));
    let mut told = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        told.push(notice.message);
    }
    json!({
        "beforeKib": resident,
        "grownKib": memory_kib("VmHWM:").saturating_sub(resident),
        "p99BeforeUs": before.at(99).as_micros() as u64,
        "p99MeanwhileUs": meanwhile.at(99).as_micros() as u64,
        "calls": meanwhile.count(),
        "ends": ends,
        "told": told,
    })
}

/// Floods the host for its time; returns how the calls ended in which the plugin did so.
async fn pour(view: &Arc<View>, flood: &str) -> BTreeSet<String> {
    let began = Instant::now();
    let left = || FLOOD.saturating_sub(began.elapsed());
    let (tool, arguments) = match flood {
        "deaf" => ("bad/deaf", json!({})),
        "junk" => ("bad/print", json!({ "bytes": 1_000_000_000 })),
        "line" => {
            let text = "x".repeat(CHUNK);
            ("bad/say", json!({ "text": text, "times": 16_000 }))
        }
        _ => ("bad/flood", json!({ "count": 1_000_000 })),
    };
    let mut ends = BTreeSet::new();
    // A line has no end only when the host has ended it, however slow the machine is.
    let is_ended = |ends: &BTreeSet<String>| flood != "line" || ends.contains("PLUGIN_GONE");
    while !left().is_zero() || !is_ended(&ends) {
        let limit = if flood == "line" { CEILING } else { left() };
        let call = view.call_within(limit, tool, &arguments);
        let ignored = async {
            if flood == "deaf" {
                be_ignored(view, left()).await;
            }
        };
        let (ended, ()) = tokio::join!(call, ignored);
        ends.insert(ended.map_or_else(|e| e.code().to_owned(), |_| "answered".to_owned()));
        // It may be on its way back.
        sleep(Duration::from_millis(50)).await;
    }
    ends
}

/// Calls a plugin that reads nothing with large arguments, as often as the time allows.
async fn be_ignored(view: &Arc<View>, time: Duration) {
    let began = Instant::now();
    let large = Arc::new(json!({ "text": "x".repeat(CHUNK) }));
    let mut calls = Vec::new();
    while began.elapsed() < time {
        for _ in 0..CALLS {
            let (view, large) = (Arc::clone(view), Arc::clone(&large));
            let left = time.saturating_sub(began.elapsed());
            calls.push(tokio::spawn(async move {
                let ignored = view.call_within(left, "bad/echo", &*large).await;
                assert!(ignored.is_err());
            }));
        }
        sleep(Duration::from_millis(250)).await;
    }
    for call in calls {
        call.await.unwrap();
    }
}

/// What hosts do that take in whatever comes.
fn naive(flood: &str) -> Value {
    let resident = memory_kib("VmRSS:");
    forget_peak();
    match flood {
        "deaf" => queue_without_end(),
        "junk" => drop(std::io::read_to_string(output(
            "head -c 100000000 /dev/zero",
        ))),
        "line" => {
            let mut line = String::new();
            drop(output("head -c 100000000 /dev/zero").read_line(&mut line));
        }
        _ => {
            let lines = output("yes '{\"method\":\"host/log\"}' | head -n 1000000").lines();
            // They wait for somebody who looks at them in his own time.
            drop(lines.collect::<Result<VecDeque<_>, _>>());
        }
    }
    json!({ "grownKib": memory_kib("VmHWM:").saturating_sub(resident) })
}

/// Returns what a shell's command writes.
fn output(command: &str) -> BufReader<ChildStdout> {
    let child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdout(Stdio::piped())
        .spawn();
    BufReader::new(child.unwrap().stdout.unwrap())
}

/// Queues messages for a peer that reads none of them.
fn queue_without_end() {
    let (mut ours, _theirs) = UnixStream::pair().unwrap();
    let (queue, queued) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        // It waits in the first of them, until nobody is there any more.
        while queued
            .recv()
            .is_ok_and(|message| ours.write_all(&message).is_ok())
        {}
    });
    (0..2_000).for_each(|_| queue.send(vec![b'x'; CHUNK]).unwrap());
}
