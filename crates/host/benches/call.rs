//! W1: one governed in-process call, beside the floor of the same work done by hand.
//!
//! "Governed" is everything: resolve, gate, arguments, hooks (none installed), the tool, and the
//! audit record handed to the writer.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has nothing to measure"
)]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use keyway_host::Host;
use keyway_host::approval::ApproveAll;
use keyway_host::audit::{AuditSink, JsonlAudit, Redactor};
use keyway_host::clock::SystemClock;
use keyway_host::view::View;
use keyway_plugin_api::{
    Args, Arguments, CallCx, Effect, Json, Plugin, Register, RegisterError, Tool, ToolDescriptor,
    ToolError, ToolInput, ToolName, ToolOutput, ToolValue, async_trait, tool,
};
use serde_json::json;
use tokio::runtime::Runtime;

const ARGUMENTS: &str = r#"{"a":1,"b":2}"#;

#[derive(ToolInput)]
struct Pair {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

#[derive(ToolValue)]
struct Sum {
    /// The sum.
    sum: i64,
}

/// Adds two numbers.
#[tool(effect = read)]
fn add(Args(pair): Args<Pair>) -> Json<Sum> {
    Json(Sum {
        sum: pair.a + pair.b,
    })
}

/// The same tool known by its schema only, as one of another language would be.
struct Untyped(ToolDescriptor);

#[async_trait]
impl Tool for Untyped {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }
    async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text("3"))
    }
}

fn untyped() -> Untyped {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["a", "b"],
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}});
    let name = ToolName::parse("add_untyped").unwrap();
    Untyped(ToolDescriptor::new(
        name,
        "Adds two numbers.",
        Effect::Read,
        schema,
    ))
}

struct Sums;

impl Plugin for Sums {
    fn manifest(&self) -> Cow<'static, str> {
        r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
             "name": "sums", "version": "0.1.0", "extensions": { "dev.keyway": {
               "api": ">=0.1, <0.2", "runtime": { "kind": "linked" },
               "contributes": { "tools": ["add", "add_untyped"] } } } }"#
            .into()
    }
    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Add)?.tool(untyped())?;
        Ok(())
    }
}

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
async fn timed(view: &View, audit: &JsonlAudit, tool: &str, calls: u64) -> Duration {
    const BURST: u64 = 8192;
    let mut spent = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let burst = left.min(BURST);
        let began = Instant::now();
        for _ in 0..burst {
            black_box(view.call(tool, black_box(ARGUMENTS)).await.is_ok());
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
            let pair: Pair = serde_json::from_str(black_box(ARGUMENTS)).unwrap();
            serde_json::value::to_raw_value(&Sum {
                sum: pair.a + pair.b,
            })
            .unwrap()
        });
    });
    let rows = [
        ("governed, typed", "sums/add"),
        ("governed, schema only", "sums/add_untyped"),
    ];
    for (name, tool) in rows {
        group.bench_function(name, |b| {
            b.iter_custom(|calls| runtime.block_on(timed(&view, &audit, tool, calls)));
        });
    }
    // The gate cannot be asked without a host, so this is its decision with the rules written out.
    group.bench_function("gate decision, explained", |b| {
        b.iter(|| view.explain(black_box("sums/add")));
    });
    group.finish();
}

criterion_group!(benches, call);
criterion_main!(benches);
