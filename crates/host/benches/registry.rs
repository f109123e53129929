//! W2: lookup, listing and a governed call at 100, 10,000 and 100,000 tools; W8: one durable
//! change of the catalog at 100 and 1,000 entries, beside the bare durable write of the same
//! bytes; and the start of a host.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be set up has nothing to measure"
)]

use std::borrow::Cow;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use keyway_host::Host;
use keyway_host::approval::ApproveAll;
use keyway_host::audit::MemoryAudit;
use keyway_host::catalog::{Candidate, Catalog as _, DurableCatalog, Operation};
use keyway_host::clock::ManualClock;
use keyway_host::digest::Digest;
use keyway_host::store::FileStore;
use keyway_plugin_api::{
    Arguments, CallCx, Effect, Manifest, Plugin, PluginId, Register, RegisterError, Tool,
    ToolDescriptor, ToolError, ToolName, ToolOutput, async_trait,
};
use serde_json::json;
use tokio::runtime::Runtime;

const TOOLS_PER_PLUGIN: usize = 100;

struct Echo(ToolDescriptor);

#[async_trait]
impl Tool for Echo {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }
    async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text("echo"))
    }
}

fn echo(name: &str) -> Echo {
    let schema = json!({"type": "object", "additionalProperties": false,
        "properties": {"text": {"type": "string", "description": "The text to send back."}}});
    let name = ToolName::parse(name).unwrap();
    Echo(ToolDescriptor::new(
        name,
        "Sends a text back.",
        Effect::Read,
        schema,
    ))
}

struct Many(usize);

impl Plugin for Many {
    fn manifest(&self) -> Cow<'static, str> {
        let tools: Vec<_> = (0..TOOLS_PER_PLUGIN).map(|n| format!("tool_{n}")).collect();
        manifest(&format!("many-{}", self.0), &json!({"tools": tools})).into()
    }
    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        for n in 0..TOOLS_PER_PLUGIN {
            ctx.tool(echo(&format!("tool_{n}")))?;
        }
        Ok(())
    }
}

fn manifest(name: &str, contributes: &serde_json::Value) -> String {
    json!({ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": name, "version": "0.1.0", "extensions": { "dev.keyway": {
            "api": ">=0.1, <0.2", "runtime": { "kind": "linked" },
            "contributes": contributes } } })
    .to_string()
}

fn host_with(runtime: &Runtime, tools: usize) -> Host {
    let mut builder = Host::builder("bench", "0")
        .approver(ApproveAll)
        .audit(Arc::new(MemoryAudit::new()));
    for plugin in 0..tools / TOOLS_PER_PLUGIN {
        builder = builder.plugin(Many(plugin));
    }
    let host = builder.build().unwrap();
    let report = runtime.block_on(host.start());
    assert_eq!(report.failures().count(), 0);
    host
}

fn registry(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut group = c.benchmark_group("registry");
    group.sample_size(20);
    for tools in [100, 10_000, 100_000] {
        let host = host_with(&runtime, tools);
        let snapshot = host.registry();
        let name = format!("many-{}/tool_7", tools / TOOLS_PER_PLUGIN - 1);
        group.bench_with_input(BenchmarkId::new("lookup", tools), &name, |b, name| {
            b.iter(|| snapshot.get(black_box(name)).unwrap().name().len());
        });
        let view = host.view("acme/team/agent".parse().unwrap());
        group.bench_function(BenchmarkId::new("list, nothing changed", tools), |b| {
            b.iter(|| view.list().tools.len());
        });
        group.bench_function(BenchmarkId::new("list, first time", tools), |b| {
            b.iter(|| {
                host.view("acme/team/agent".parse().unwrap())
                    .list()
                    .tools
                    .len()
            });
        });
    }
    group.finish();
}

fn candidate(n: usize) -> Candidate {
    let text = json!({ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": format!("plugin-{n}"), "version": "1.0.0", "description": "One of many." })
    .to_string();
    let (manifest, _) = Manifest::parse(text.as_bytes()).unwrap();
    Candidate::new(&manifest, Digest::of(text.as_bytes()))
}

fn bare_durable_write(folder: &Path, bytes: &[u8]) {
    let temporary = folder.join("bare.tmp");
    let mut file = File::create(&temporary).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
    std::fs::rename(&temporary, folder.join("bare.json")).unwrap();
    File::open(folder).unwrap().sync_all().unwrap();
}

fn catalog(c: &mut Criterion) {
    let mut group = c.benchmark_group("catalog");
    group.sample_size(20);
    for entries in [100, 1_000] {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(1_000));
        let store = FileStore::open(folder.path()).unwrap();
        let (catalog, _) = DurableCatalog::open(store, clock).unwrap();
        for n in 0..entries {
            catalog
                .run(&Operation::Install {
                    candidate: Box::new(candidate(n)),
                })
                .unwrap();
        }
        let bytes = std::fs::read(folder.path().join("plugins.json")).unwrap();
        group.bench_function(
            BenchmarkId::new("limit: the same bytes, durably", entries),
            |b| {
                b.iter(|| bare_durable_write(folder.path(), &bytes));
            },
        );
        let plugin = PluginId::parse("plugin-7").unwrap();
        let off = Operation::Disable {
            plugin: plugin.clone(),
            cascade: false,
        };
        let on = Operation::Enable { plugin };
        let mut is_on = true;
        group.bench_function(BenchmarkId::new("one durable change", entries), |b| {
            b.iter(|| {
                catalog.run(if is_on { &off } else { &on }).unwrap();
                is_on = !is_on;
            });
        });
    }
    group.finish();
}

fn start(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut group = c.benchmark_group("host");
    group.sample_size(10);
    for tools in [1_000, 10_000] {
        group.bench_function(BenchmarkId::new("build and start, tools", tools), |b| {
            b.iter(|| host_with(&runtime, tools).registry().len());
        });
    }
    group.finish();
}

criterion_group!(benches, registry, catalog, start);
criterion_main!(benches);
