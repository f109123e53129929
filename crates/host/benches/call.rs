//! W1: one governed in-process call, beside the floor of the same work done by hand. W1b: the same
//! with the twenty properties of a typical argument.
//!
//! "Governed" is everything: resolve, gate, arguments, hooks (none installed), the tool, and the
//! audit record handed to the writer.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has nothing to measure"
)]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod sums;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use keyway_host::Host;
use keyway_host::approval::ApproveAll;
use keyway_host::audit::{AuditSink, JsonlAudit, Redactor};
use keyway_host::clock::SystemClock;
use keyway_host::limits::Limits;
use keyway_host::schema::ValidatorCache;
use keyway_host::view::View;
use keyway_plugin_api::Tool;
use serde_json::Value;
use tokio::runtime::Runtime;

use sums::{Book, ORDER, Order, PAIR, Pair, Sum, Sums};

fn view(runtime: &Runtime, audit: impl AuditSink) -> (Host, View) {
    let host = Host::builder("bench", "0")
        .approver(ApproveAll)
        .audit(audit)
        .plugin(Sums);
    let host = host.build().unwrap();
    runtime.block_on(host.start());
    let view = host.view("acme/team/agent".parse().unwrap());
    (host, view)
}

/// Times calls in bursts and lets the audit writer catch up in between, off the clock: what is
/// measured is the caller's path, not the writer's throughput.
async fn timed(view: &View, audit: &JsonlAudit, row: &Row, calls: u64) -> Duration {
    const BURST: u64 = 8192;
    let mut spent = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let burst = left.min(BURST);
        let began = Instant::now();
        for _ in 0..burst {
            black_box(view.call(row.tool, black_box(row.arguments)).await.is_ok());
        }
        spent += began.elapsed();
        audit.flush().unwrap();
        left -= burst;
    }
    spent
}

fn call(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let audit = JsonlAudit::open(folder.path().join("a.jsonl"), clock, Redactor::new()).unwrap();
    let audit = Arc::new(audit);
    let (_host, view) = view(&runtime, Arc::clone(&audit));
    let mut group = c.benchmark_group("call");
    group.bench_function("limit: parse, add, write by hand", |b| {
        b.iter(|| {
            let pair: Pair = serde_json::from_str(black_box(PAIR)).unwrap();
            written(pair.a + pair.b)
        });
    });
    for row in &[
        Row::new("sums/add", PAIR),
        Row::new("sums/add_untyped", PAIR),
    ] {
        group.bench_function(row.name(), |b| {
            b.iter_custom(|calls| runtime.block_on(timed(&view, &audit, row, calls)));
        });
    }
    // The gate cannot be asked without a host, so this is its decision with the rules written out.
    group.bench_function("gate decision, explained", |b| {
        b.iter(|| view.explain(black_box("sums/add")));
    });
    group.finish();

    let mut group = c.benchmark_group("call/nested");
    group.bench_function("limit: parse, weigh, write by hand", |b| {
        b.iter(|| {
            let order: Order = serde_json::from_str(black_box(ORDER)).unwrap();
            written(order.weight())
        });
    });
    let cache = ValidatorCache::new(1, Limits::default());
    let validator = cache.intern(&Book.descriptor().input_schema).get().unwrap();
    group.bench_function("parse to a value, validate", |b| {
        b.iter(|| {
            let value: Value = serde_json::from_str(black_box(ORDER)).unwrap();
            validator.validate(&value).unwrap();
        });
    });
    for row in &[
        Row::new("sums/book", ORDER),
        Row::new("sums/book_untyped", ORDER),
    ] {
        group.bench_function(row.name(), |b| {
            b.iter_custom(|calls| runtime.block_on(timed(&view, &audit, row, calls)));
        });
    }
    group.finish();
}

fn written(sum: i64) -> Box<serde_json::value::RawValue> {
    serde_json::value::to_raw_value(&Sum { sum }).unwrap()
}

/// A tool and what it is called with.
struct Row {
    tool: &'static str,
    arguments: &'static str,
}

impl Row {
    fn new(tool: &'static str, arguments: &'static str) -> Self {
        Self { tool, arguments }
    }

    fn name(&self) -> &'static str {
        match self.tool.ends_with("_untyped") {
            true => "governed, schema only",
            false => "governed, typed",
        }
    }
}

criterion_group!(benches, call);
criterion_main!(benches);
