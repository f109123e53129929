//! W4, W4b, W5: a call into a plugin's process, 256 of them at a time, and its start, each beside the
//! least that two processes can do: lines over a socket pair to a program that sends them back.
//!
//! The plugin is this program: it serves when a host starts it, as an author's program would. Calls
//! are made from tasks, as an agent makes them. `taskset -c 0 cargo bench -p keyway-process` keeps
//! both processes on one CPU, where the figures repeat.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod repeater;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use keyway_host::limits::Limits;
use keyway_host::rank::Trust;
use keyway_host::view::View;
use keyway_process::{ProcessOptions, ProcessRuntime};
use keyway_test_support::{TempPackages, TestHost};
use serde_json::json;

use repeater::{MANIFEST, Repeater, arguments};
use tokio::runtime::{Builder, Runtime};

/// Set in the environment of this program when it is to send back what it reads.
const ECHO: &str = "KEYWAY_BENCH_ECHO";

criterion_group!(benches, round_trip, in_flight, first_call, revoke);

fn main() -> ExitCode {
    if std::env::var_os("KEYWAY_CHANNEL").is_some() {
        return keyway_serve::run(Repeater);
    }
    if std::env::var_os(ECHO).is_some() {
        send_back();
        return ExitCode::SUCCESS;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    ExitCode::SUCCESS
}

/// Sends lines back until there are no more.
fn send_back() {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = input.read(&mut buffer) {
        if count == 0 || output.write_all(&buffer[..count]).is_err() || output.flush().is_err() {
            return;
        }
    }
}

/// The echo program and this end of its socket pair.
struct Raw {
    child: Child,
    stream: UnixStream,
}

impl Raw {
    fn start() -> Self {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let input = OwnedFd::from(theirs.try_clone().unwrap());
        let child = Command::new(std::env::current_exe().unwrap())
            .env(ECHO, "1")
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn();
        Self {
            child: child.unwrap(),
            stream,
        }
    }

    fn exchange(&self, lines: &[u8], count: usize) {
        (&self.stream).write_all(lines).unwrap();
        let mut input = BufReader::new(&self.stream);
        let mut line = Vec::new();
        for _ in 0..count {
            line.clear();
            input.read_until(b'\n', &mut line).unwrap();
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A host with one plugin.
struct Site {
    runtime: Runtime,
    host: TestHost,
    _packages: TempPackages,
    _store: tempfile::TempDir,
}

impl Site {
    /// Starts a host with the plugin of this program.
    fn repeater() -> Self {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        Self::start("repeater", MANIFEST, &program)
    }

    /// Starts a host with the small stress plugin.
    fn stress() -> Self {
        let manifest = json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": "stress", "version": "1.0.0",
            "extensions": { "dev.keyway": {
                "schemaVersion": 1, "api": ">=0.1, <0.2",
                "runtime": { "kind": "process", "command": "./program" },
                "contributes": { "tools": ["echo", "sleep"] },
            }},
        });
        let program = std::fs::read(env!("CARGO_BIN_EXE_keyway-stress")).unwrap();
        Self::start("stress", &manifest.to_string(), &program)
    }

    fn start(name: &str, manifest: &str, program: &[u8]) -> Self {
        let (packages, store) = (TempPackages::new(), tempfile::tempdir().unwrap());
        packages.write(name, manifest);
        packages.write_file(name, "program", program);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let processes = ProcessRuntime::new(store.path(), ProcessOptions::new()).unwrap();
        let limits = Limits {
            calls_in_flight: 256,
            stop: Duration::from_secs(1),
            ..Limits::default()
        };
        let folder = packages.path().to_owned();
        let host = runtime.block_on(
            TestHost::builder()
                .configure(|host| {
                    host.runtime(processes)
                        .limits(limits)
                        .plugins_dir(folder, Trust::Community)
                })
                .start(),
        );
        assert_eq!(host.report().failures().count(), 0, "{:?}", host.report());
        Self {
            runtime,
            host,
            _packages: packages,
            _store: store,
        }
    }

    /// Times this many callers that call this often, one call after the other.
    fn time(&self, callers: usize, rounds: u64) -> Duration {
        let arguments = arguments();
        let began = now();
        self.runtime.block_on(async {
            let tasks = (0..callers).map(|_| {
                let (view, arguments) = (self.host.view(), arguments.clone());
                tokio::spawn(repeat(view, arguments, rounds))
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
        });
        began.elapsed()
    }
}

async fn repeat(view: View, arguments: String, rounds: u64) {
    for _ in 0..rounds {
        let call = view.call("repeater/echo", arguments.as_str());
        call.await.unwrap();
    }
}

fn round_trip(c: &mut Criterion) {
    let mut group = c.benchmark_group("process/round trip 100 B");
    let raw = Raw::start();
    let line = format!("{}\n", arguments());
    group.bench_function("limit: a line over a socket pair and back", |b| {
        b.iter(|| raw.exchange(line.as_bytes(), 1));
    });
    let site = Site::repeater();
    group.bench_function("call", |b| b.iter_custom(|rounds| site.time(1, rounds)));
}

fn in_flight(c: &mut Criterion) {
    let mut group = c.benchmark_group("process/256 in flight");
    group.throughput(Throughput::Elements(256));
    let raw = Raw::start();
    let lines = format!("{}\n", arguments()).repeat(256);
    group.bench_function("limit: 256 lines over a socket pair and back", |b| {
        b.iter(|| raw.exchange(lines.as_bytes(), 256));
    });
    let site = Site::repeater();
    group.bench_function("calls", |b| b.iter_custom(|rounds| site.time(256, rounds)));
}

fn first_call(c: &mut Criterion) {
    let mut group = c.benchmark_group("process/spawn to first call");
    group.sample_size(20);
    let line = format!("{}\n", arguments());
    group.bench_function("limit: spawn, a line and back", |b| {
        b.iter(|| Raw::start().exchange(line.as_bytes(), 1));
    });
    let site = Site::stress();
    let (view, arguments) = (site.host.view(), arguments());
    group.bench_function("enable and call", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                site.runtime.block_on(site.host.disable("stress"));
                let began = now();
                site.runtime.block_on(async {
                    site.host.enable("stress").await;
                    view.call("stress/echo", arguments.as_str()).await.unwrap();
                });
                spent += began.elapsed();
            }
            spent
        });
    });
}

/// From the word of an operator to the end of the process, with a call in flight.
fn revoke(c: &mut Criterion) {
    let mut group = c.benchmark_group("process/revoke of a busy plugin");
    group.sample_size(10);
    group.bench_function("revoke", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let site = Site::stress();
                let view = site.host.view();
                site.runtime.block_on(async {
                    let busy =
                        tokio::spawn(
                            async move { view.call("stress/sleep", r#"{"ms":60000}"#).await },
                        );
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let began = now();
                    site.host.revoke("stress").await;
                    spent += began.elapsed();
                    drop(busy.await);
                });
            }
            spent
        });
    });
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
