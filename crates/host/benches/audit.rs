//! W10: what an audit record costs its caller, the writer and the disk, each beside its limit.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use keyway_host::audit::{AuditEvent, AuditSink, JsonlAudit, Redactor, Trail, verify};
use keyway_host::clock::{Clock as _, SystemClock};
use keyway_host::digest::Digest;
use keyway_host::rank::Trust;
use keyway_plugin_api::{Effect, PluginId, SecretValue};

criterion_group!(benches, caller, writer, disk);
criterion_main!(benches);

/// What a call pays. Every row is paced alike: time that other programs take from this one falls
/// between the bursts for all of them or for none, so that the rows can be compared.
fn caller(c: &mut Criterion) {
    let mut group = c.benchmark_group("audit/caller");
    let (event, clock) = (called(), SystemClock::new());
    let scene = Scene::new();
    let audit = scene.open(Redactor::new());
    let rest = || audit.flush().unwrap();
    group.bench_function("limit: clone of the event", |b| {
        b.iter_custom(|n| paced(n, rest, || drop(black_box(black_box(&event).clone()))));
    });
    group.bench_function("limit: reading the clock", |b| {
        b.iter_custom(|n| {
            paced(n, rest, || {
                black_box(clock.now_ms());
            })
        });
    });
    let vector = Mutex::new(Vec::with_capacity(BURST as usize));
    let empty = || {
        rest();
        vector.lock().unwrap().clear();
    };
    group.bench_function("limit: clock, clone, push to a locked vector", |b| {
        b.iter_custom(|n| {
            paced(n, empty, || {
                let stamped = (clock.now_ms(), black_box(&event).clone());
                vector.lock().unwrap().push(stamped);
            })
        });
    });
    let mut recorded = 0;
    group.bench_function("record", |b| {
        b.iter_custom(|n| {
            recorded += n;
            paced(n, rest, || audit.record(black_box(&event).clone()))
        });
    });
    // A record that was dropped would be a cheap one.
    let kept = Trail::open(scene.path()).unwrap().verify().unwrap().records;
    assert_eq!(kept, recorded);
    group.sample_size(10);
    group.bench_function("record that wakes the writer", |b| {
        b.iter_custom(|n| (0..n).map(|_| waking(&audit, &event)).sum());
    });
    group.finish();
}

const BURST: u64 = 1_000;

/// Measures `act` `n` times, in bursts, without the rest between them.
fn paced(n: u64, mut rest: impl FnMut(), mut act: impl FnMut()) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = n;
    while left > 0 {
        let burst = left.min(BURST);
        let start = now();
        (0..burst).for_each(|_| act());
        spent += start.elapsed();
        rest();
        left -= burst;
    }
    spent
}

/// Measures one record after so long a quiet that the writer sleeps for good.
fn waking(audit: &JsonlAudit, event: &AuditEvent) -> Duration {
    thread::park_timeout(Duration::from_millis(1_500));
    let start = now();
    audit.record(event.clone());
    start.elapsed()
}

/// What the writer thread pays. No row is paced: compare these among themselves only.
fn writer(c: &mut Criterion) {
    let mut group = c.benchmark_group("audit/writer");
    let event = called();
    let line = serde_json::to_vec(&event).unwrap();
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::new();
    group.bench_function("limit: serialise", |b| {
        b.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&event)).unwrap();
        });
    });
    let record = [line.as_slice(), &[b'x'; 120]].concat();
    group.bench_function("limit: SHA-256 of a record", |b| {
        b.iter(|| Digest::of(black_box(&record)));
    });
    group.bench_function("limit: serialise, then SHA-256", |b| {
        b.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&event)).unwrap();
            Digest::of(black_box(&record))
        });
    });
    group.bench_function("verify", |b| verify_one(b, &event));
    let redactors = [("nothing to redact", 0), ("100 secrets to look for", 100)];
    for (name, secrets) in redactors {
        let scene = Scene::new();
        let audit = scene.open(knowing(secrets));
        // Everything: push, serialise, redact, chain, write; the file is a new one each time.
        group.bench_function(BenchmarkId::new("record to file", name), |b| {
            b.iter_custom(|n| flooded(n, &audit, &event));
        });
    }
    group.finish();
}

fn verify_one(b: &mut criterion::Bencher<'_>, event: &AuditEvent) {
    let scene = Scene::new();
    let audit = scene.open(Redactor::new());
    (0..10_000).for_each(|_| audit.record(event.clone()));
    audit.flush().unwrap();
    let log = std::fs::read(scene.path()).unwrap();
    b.iter_custom(|n| {
        let rounds = n.div_ceil(10_000);
        let start = now();
        for _ in 0..rounds {
            assert_eq!(verify(black_box(log.as_slice())).unwrap().records, 10_000);
        }
        start.elapsed().mul_f64(n as f64 / (rounds * 10_000) as f64)
    });
}

fn flooded(n: u64, audit: &JsonlAudit, event: &AuditEvent) -> Duration {
    let start = now();
    for _ in 0..n {
        audit.record(event.clone());
    }
    audit.flush().unwrap();
    start.elapsed()
}

/// What a privileged act waits for.
fn disk(c: &mut Criterion) {
    let mut group = c.benchmark_group("audit/disk");
    group.sample_size(20);
    let event = called();
    let scene = Scene::new();
    let mut raw = File::create(scene.path().with_extension("raw")).unwrap();
    group.bench_function("limit: append and fdatasync", |b| {
        b.iter(|| {
            raw.write_all(&[b'x'; 400]).unwrap();
            raw.sync_data().unwrap();
        });
    });
    let audit = scene.open(Redactor::new());
    group.bench_function("durable record", |b| {
        b.iter(|| audit.record_durably(event.clone()).unwrap());
    });
    for waiters in [8, 64] {
        group.bench_function(BenchmarkId::new("durable record, waiters", waiters), |b| {
            b.iter_custom(|n| crowd(n, waiters, &audit, &event));
        });
    }
    group.finish();
}

/// Measures `n` durable records by this many threads at once.
fn crowd(n: u64, waiters: u64, audit: &JsonlAudit, event: &AuditEvent) -> Duration {
    let each = n.div_ceil(waiters);
    let start = now();
    thread::scope(|scope| {
        for _ in 0..waiters {
            scope.spawn(|| {
                for _ in 0..each {
                    audit.record_durably(event.clone()).unwrap();
                }
            });
        }
    });
    start.elapsed().mul_f64(n as f64 / (each * waiters) as f64)
}

/// A folder on the disk that holds the build, not in memory.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = tempfile::tempdir_in(target).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn open(&self, redactor: Redactor) -> JsonlAudit {
        JsonlAudit::open(self.path(), Arc::new(SystemClock::new()), redactor).unwrap()
    }
}

fn knowing(secrets: u32) -> Redactor {
    let redactor = Redactor::new();
    for number in 0..secrets {
        redactor.learn(&SecretValue::new(format!(
            "sk-live-{:032x}",
            u64::from(number) << 40
        )));
    }
    redactor
}

fn called() -> AuditEvent {
    AuditEvent::ToolCalled {
        call: 1_234_567,
        tool: "github-tools/search_issues".into(),
        plugin: PluginId::parse("github-tools").unwrap(),
        trust: Trust::Community,
        caller: "acme/support/triage".into(),
        effect: Effect::Read,
        definition: Digest::of(b"github-tools/search_issues"),
        outcome: "OK".into(),
        duration_us: 1_234,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "measuring is what a benchmark is for"
)]
fn now() -> Instant {
    Instant::now()
}
