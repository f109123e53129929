//! Storms over plugins that run as processes, measured: kills, reloads, revocations.
//!
//! ```text
//! cargo build --release -p keyway-process --bin keyway-stress
//! cargo run --release -p keyway-process --example storms -- [seconds] [--json]
//! ```
//!
//! Each storm lasts that many seconds, 20 unless told otherwise. Ends with 1 when something that must
//! hold did not. Linux only: it reads `/proc`.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_host::clock::{Clock as _, SystemClock};
use keyway_host::limits::Limits;
use keyway_host::rank::Trust;
use keyway_host::view::View;
use keyway_plugin_api::PluginId;
use keyway_process::supervisor::SupervisorPolicy;
use keyway_process::{ProcessOptions, ProcessRuntime};
use keyway_test_support::{FakeClock, TempPackages, TestHost};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const PLUGINS: usize = 10;
const CALLERS: usize = 8;
/// A kill comes this often.
const EVERY: Duration = Duration::from_millis(100);
/// A call that takes longer hangs; it is longer than the limit of a call.
const HUNG: Duration = Duration::from_secs(60);
/// How long things may take to settle before they count as left over.
const SETTLE: Duration = Duration::from_secs(10);
const REVOCATIONS: usize = 10;

fn main() -> ExitCode {
    let (mut seconds, mut as_json) = (20, false);
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(told) => seconds = told,
            Err(_) if argument == "--json" => as_json = true,
            Err(_) => return fail(&format!("{argument} is neither seconds nor --json")),
        }
    }
    match run(Duration::from_secs(seconds)) {
        Ok(report) => {
            show(&report.show(as_json));
            ExitCode::from(u8::from(!report.broken.is_empty()))
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn run(time: Duration) -> Outcome<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Threads that wait for more work would look like threads left over.
        .thread_keep_alive(Duration::from_millis(50))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut report = Report::default();
        kill_storm(time, &mut report).await?;
        reload_storm(time, &mut report).await?;
        revocations(&mut report).await?;
        Ok(report)
    })
}

/// What was measured, and what of it must not be.
#[derive(Default)]
struct Report {
    rows: Vec<(&'static str, &'static str, Value)>,
    broken: Vec<String>,
}

impl Report {
    fn row(&mut self, storm: &'static str, name: &'static str, value: impl Into<Value>) {
        self.rows.push((storm, name, value.into()));
    }

    fn must(&mut self, holds: bool, what: String) {
        if !holds {
            self.broken.push(what);
        }
    }

    fn show(&self, as_json: bool) -> String {
        if as_json {
            let mut storms = Map::new();
            for (storm, name, value) in &self.rows {
                let rows = storms.entry(*storm).or_insert_with(|| json!({}));
                if let Some(rows) = rows.as_object_mut() {
                    rows.insert((*name).to_owned(), value.clone());
                }
            }
            return json!({ "storms": storms, "broken": self.broken }).to_string();
        }
        let rows = self.rows.iter();
        let rows = rows.map(|(storm, name, value)| format!("{storm:<8} {name:<46} {value}"));
        let broken = self.broken.iter().map(|what| format!("BROKEN   {what}"));
        rows.chain(broken).collect::<Vec<_>>().join("\n")
    }
}

/// A host with stress plugins `p0`, `p1`, ….
struct Site {
    host: TestHost,
    packages: TempPackages,
    store: tempfile::TempDir,
}

impl Site {
    async fn start(plugins: usize) -> Outcome<Self> {
        let (packages, store) = (TempPackages::new(), tempfile::tempdir()?);
        let program = stress_program()?;
        for number in 0..plugins {
            let name = format!("p{number}");
            packages.write(&name, &manifest(&name));
            packages.write_file(&name, "stress", &program);
        }
        let options = ProcessOptions::new().with_supervision(tireless());
        let processes = ProcessRuntime::new(store.path(), options)?;
        let folder = packages.path().to_owned();
        let limits = Limits::default();
        let host = TestHost::builder()
            .clock(FakeClock::at(SystemClock::new().now_ms()))
            .configure(|host| {
                host.runtime(processes)
                    .limits(limits)
                    .plugins_dir(folder, Trust::Community)
            })
            .start()
            .await;
        if host.report().failures().next().is_some() {
            return Err(format!("a plugin did not start: {:?}", host.report()).into());
        }
        Ok(Self {
            host,
            packages,
            store,
        })
    }

    /// Its plugins' processes.
    fn processes(&self) -> Outcome<Vec<Pid>> {
        processes_of(&self.store.path().to_string_lossy())
    }

    fn listed(&self) -> usize {
        let registry = self.host.host().registry();
        let tools = (0..PLUGINS).map(|number| format!("p{number}/echo"));
        tools.filter(|tool| registry.get(tool).is_some()).count()
    }

    /// Shuts down and returns how many processes are left.
    async fn end(self) -> Outcome<usize> {
        self.host.host().shutdown().await;
        let store = self.store.path().to_string_lossy().into_owned();
        drop(self.host);
        settle(|| Ok(processes_of(&store)?.len()), 0).await
    }
}

/// Never tires, so that the budget for crashes does not end the storm.
fn tireless() -> SupervisorPolicy {
    SupervisorPolicy {
        backoff_ms: 1,
        backoff_max_ms: 5,
        crashes: usize::MAX,
        strikes: u32::MAX,
        ..SupervisorPolicy::default()
    }
}

fn manifest(name: &str) -> String {
    json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": name, "version": "1.0.0",
        "extensions": { "dev.keyway": {
            "schemaVersion": 1, "api": ">=0.1, <0.2",
            "runtime": { "kind": "process", "command": "./stress" },
            "contributes": { "tools": ["echo", "sleep"] },
        }},
    })
    .to_string()
}

/// The stress plugin, which lies beside the folder of examples.
fn stress_program() -> Outcome<Vec<u8>> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).ok_or("this program has no folder")?;
    let program = folder.join("keyway-stress");
    std::fs::read(&program).map_err(|error| {
        let build = "cargo build -p keyway-process --bin keyway-stress, in the same profile";
        format!("{}: {error}; first run {build}", program.display()).into()
    })
}

/// Calls of many callers without end, and how they ended.
struct Load {
    is_over: Arc<AtomicBool>,
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(site: &Site, plugins: usize) -> Self {
        let (is_over, counts) = (Arc::default(), Arc::default());
        let callers = (0..CALLERS).map(|number| {
            let caller = Caller {
                view: site.host.view(),
                is_over: Arc::clone(&is_over),
                counts: Arc::clone(&counts),
            };
            tokio::spawn(caller.call(number, plugins))
        });
        Self {
            callers: callers.collect(),
            is_over,
            counts,
        }
    }

    /// Ends the callers and returns how often calls ended in which way.
    async fn end(self) -> Outcome<BTreeMap<String, u64>> {
        self.is_over.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await?;
        }
        let counts = self.counts.lock();
        Ok(counts.unwrap_or_else(PoisonError::into_inner).clone())
    }
}

struct Caller {
    view: View,
    is_over: Arc<AtomicBool>,
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Caller {
    async fn call(self, number: usize, plugins: usize) {
        let mut turn = number;
        while !self.is_over.load(Ordering::Relaxed) {
            let tool = ["echo", "sleep"][turn / plugins % 2];
            let tool = format!("p{}/{tool}", turn % plugins);
            turn += 1;
            let ended = timeout(HUNG, self.view.call(&tool, r#"{"ms":5}"#)).await;
            let how = match &ended {
                Ok(Ok(_)) => "answered",
                Ok(Err(error)) => error.code(),
                Err(_) => "hung",
            };
            self.count(how);
            if how != "answered" {
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

impl Caller {
    fn count(&self, how: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(how.to_owned()).or_default() += 1;
    }
}

/// Threads and open descriptors of this process.
fn own_resources() -> Outcome<(usize, usize)> {
    let count = |folder| std::fs::read_dir(folder).map(Iterator::count);
    Ok((count("/proc/self/task")?, count("/proc/self/fd")?))
}

async fn kill_storm(time: Duration, report: &mut Report) -> Outcome<()> {
    // Whatever is made once and kept is made here.
    Site::start(1).await?.end().await?;
    sleep(Duration::from_millis(500)).await;
    let (threads, descriptors) = own_resources()?;
    let site = Site::start(PLUGINS).await?;
    let load = Load::start(&site, PLUGINS);
    let (kills, visible) = kill_often(&site, time).await?;
    let counts = load.end().await?;
    let back = settle(|| Ok(PLUGINS - site.listed()), 0).await?;
    let running = site.processes()?.len();
    let left = site.end().await?;
    report.row("kill", "kills", kills);
    tell_counts("kill", &counts, report);
    tell_times(
        "kill",
        "ms tools stayed visible after a kill",
        visible,
        report,
    );
    report.row("kill", "processes at the end of the storm", running);
    report.row("kill", "processes left over", left);
    let now_threads = settle(|| Ok(own_resources()?.0), threads).await?;
    let now_descriptors = settle(|| Ok(own_resources()?.1), descriptors).await?;
    report.row(
        "kill",
        "threads before, after",
        json!([threads, now_threads]),
    );
    let pair = json!([descriptors, now_descriptors]);
    report.row("kill", "descriptors before, after", pair);
    report.must(kills > 0, "nothing was killed".to_owned());
    report.must(back == 0, format!("{back} plugins did not come back"));
    report.must(left == 0, format!("{left} processes are left"));
    report.must(now_threads <= threads, "threads are left".to_owned());
    report.must(
        now_descriptors <= descriptors,
        "descriptors are left".to_owned(),
    );
    Ok(())
}

/// Kills a random process of a plugin again and again; returns how many kills, and for those that came
/// while every plugin served, how long it took until tools were out.
async fn kill_often(site: &Site, time: Duration) -> Outcome<(usize, Vec<Duration>)> {
    let (mut kills, mut visible, mut random) = (0, Vec::new(), 4711_usize);
    let mut changes = site.host.host().changes();
    let began = Instant::now();
    while began.elapsed() < time {
        let next = Instant::now() + EVERY;
        let pids = site.processes()?;
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let Some(pid) = pids.get((random >> 33) % pids.len().max(1)) else {
            continue;
        };
        let is_whole = site.listed() == PLUGINS;
        changes.mark_unchanged();
        let killed = Instant::now();
        if kill_process(*pid, Signal::KILL).is_ok() {
            kills += 1;
            // With every plugin in, the next change is the one that takes tools out.
            if is_whole && timeout(EVERY * 20, changes.changed()).await.is_ok() {
                visible.push(killed.elapsed());
            }
        }
        tokio::time::sleep_until(next).await;
    }
    Ok((kills, visible))
}

async fn reload_storm(time: Duration, report: &mut Report) -> Outcome<()> {
    let site = Site::start(1).await?;
    let plugin = PluginId::parse("p0")?;
    let load = Load::start(&site, 1);
    let (mut reloads, mut before) = (0_usize, resident_kib()?);
    let began = Instant::now();
    while began.elapsed() < time {
        let version = reloads.to_string();
        site.packages
            .write_file("p0", "version.txt", version.as_bytes());
        site.host.host().reload(&plugin).await?;
        reloads += 1;
        if reloads == 5 {
            // The first ones fill what is kept.
            before = resident_kib()?;
        }
    }
    let counts = load.end().await?;
    let after = resident_kib()?;
    let left = site.end().await?;
    report.row("reload", "reloads", reloads);
    tell_counts("reload", &counts, report);
    let answered = counts.get("answered").copied().unwrap_or_default();
    let lost = counts.values().sum::<u64>() - answered;
    report.row("reload", "calls lost", lost);
    report.row(
        "reload",
        "KiB resident before, after",
        json!([before, after]),
    );
    report.row("reload", "processes left over", left);
    report.must(lost == 0, format!("{lost} calls were lost by reloads"));
    report.must(left == 0, format!("{left} processes are left of reloads"));
    Ok(())
}

async fn revocations(report: &mut Report) -> Outcome<()> {
    let (mut refused, mut gone) = (Vec::new(), Vec::new());
    for _ in 0..REVOCATIONS {
        let site = Site::start(1).await?;
        let view = site.host.view();
        let busy = tokio::spawn(async move { view.call("p0/sleep", r#"{"ms":20000}"#).await });
        sleep(Duration::from_millis(50)).await;
        let (view, began) = (site.host.view(), Instant::now());
        let refusal = async {
            while view.call("p0/echo", "{}").await.is_ok() {}
            began.elapsed()
        };
        let end = async {
            let left = settle(|| Ok(site.processes()?.len()), 0).await?;
            Outcome::Ok((left, began.elapsed()))
        };
        let (refusal, end, ()) = tokio::join!(refusal, end, site.host.revoke("p0"));
        let (left, end) = end?;
        report.must(
            left == 0,
            format!("{left} processes are left of a revocation"),
        );
        refused.push(refusal);
        gone.push(end);
        let is_over = timeout(HUNG, busy).await.is_ok();
        report.must(is_over, "the call in flight hung".to_owned());
        site.end().await?;
    }
    tell_times("revoke", "ms until a new call is refused", refused, report);
    tell_times("revoke", "ms until the process is gone", gone, report);
    Ok(())
}

fn tell_counts(storm: &'static str, counts: &BTreeMap<String, u64>, report: &mut Report) {
    report.row(storm, "calls by how they ended", json!(counts));
    let hung = counts.get("hung").copied().unwrap_or_default();
    report.row(storm, "calls hung", hung);
    report.must(hung == 0, format!("{hung} calls hung"));
    let answered = counts.contains_key("answered");
    report.must(
        answered,
        format!("no call was answered in the {storm} storm"),
    );
}

/// Tells how many, the median, the 99th of a hundred, and the longest.
fn tell_times(
    storm: &'static str,
    name: &'static str,
    mut times: Vec<Duration>,
    report: &mut Report,
) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len().saturating_sub(1) * part / 100);
    let ms = |part| at(part).map(|time| time.as_micros() as f64 / 1_000.0);
    let row = json!({ "n": times.len(), "p50": ms(50), "p99": ms(99), "max": ms(100) });
    report.row(storm, name, row);
}

/// Waits until a count has come down to what is wanted, and returns where it is then or in the end.
async fn settle(count: impl Fn() -> Outcome<usize>, wanted: usize) -> Outcome<usize> {
    let began = Instant::now();
    loop {
        let now = count()?;
        if now <= wanted || began.elapsed() > SETTLE {
            return Ok(now);
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// The processes of this machine whose command line holds a word.
fn processes_of(word: &str) -> Outcome<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        // One that ends meanwhile has no command line.
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if String::from_utf8_lossy(&line).contains(word) {
            found.extend(pid.and_then(Pid::from_raw));
        }
    }
    Ok(found)
}

fn resident_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("there is no VmRSS")?.parse()?)
}

#[expect(clippy::print_stdout, reason = "a report is what it is run for")]
fn show(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "somebody waits for the reason")]
fn fail(problem: &str) -> ExitCode {
    eprintln!("storms: {problem}");
    ExitCode::from(2)
}
