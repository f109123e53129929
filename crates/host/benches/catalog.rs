//! W8: what one durable change costs in a large catalog, beside the bare write that the
//! file system asks for the same bytes; and what opening them costs.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use keyway_host::catalog::{
    Candidate, Catalog, CatalogState, Declaration, DurableCatalog, ManifestSummary, Operation,
    decide,
};
use keyway_host::clock::SystemClock;
use keyway_host::digest::Digest;
use keyway_host::store::{CatalogStore, FileStore};
use keyway_plugin_api::{PluginId, Slot};
use semver::Version;
use tempfile::TempDir;

criterion_group!(benches, change, plan, open);
criterion_main!(benches);

/// The smaller sizes are in the registry bench, through a host.
const SIZES: [usize; 1] = [10_000];

fn change(c: &mut Criterion) {
    let mut group = c.benchmark_group("catalog/change");
    group.sample_size(20);
    for size in SIZES {
        let dir = folder(size);
        let bytes = fs::read(dir.path().join("plugins.json")).unwrap();
        group.bench_function(BenchmarkId::new("limit: bare durable write", size), |b| {
            b.iter(|| bare_write(dir.path(), &bytes));
        });
        let catalog = opened(dir.path());
        let mut on = true;
        group.bench_function(BenchmarkId::new("disable or enable", size), |b| {
            b.iter(|| {
                on = !on;
                catalog.run(&switch(on)).unwrap()
            });
        });
    }
}

fn plan(c: &mut Criterion) {
    let mut group = c.benchmark_group("catalog/plan");
    for size in SIZES {
        let dir = folder(size);
        let catalog = opened(dir.path());
        let operation = switch(false);
        group.bench_function(BenchmarkId::new("disable", size), |b| {
            b.iter(|| catalog.plan(black_box(&operation)).unwrap());
        });
    }
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("catalog/open");
    group.sample_size(20);
    for size in SIZES {
        let dir = folder(size);
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| opened(dir.path()));
        });
    }
}

/// The least that a durable replacement of a file costs.
fn bare_write(dir: &Path, bytes: &[u8]) {
    let (temporary, path) = (dir.join("bare.tmp"), dir.join("bare"));
    let mut file = File::create(&temporary).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
    fs::rename(&temporary, &path).unwrap();
    File::open(dir).unwrap().sync_all().unwrap();
}

fn name(n: usize) -> PluginId {
    PluginId::parse(&format!("plugin-number-{n}-x")).unwrap()
}

fn switch(on: bool) -> Operation {
    let plugin = name(50);
    if on {
        Operation::Enable { plugin }
    } else {
        let cascade = false;
        Operation::Disable { plugin, cascade }
    }
}

fn opened(dir: &Path) -> DurableCatalog {
    let store = FileStore::open(dir).unwrap();
    DurableCatalog::open(store, Arc::new(SystemClock::new()))
        .unwrap()
        .0
}

/// Makes a state folder with so many plugins, on the disk that holds the build.
fn folder(size: usize) -> TempDir {
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let mut state = CatalogState::new();
    for n in 0..size {
        let (plugin, entry) = entry(n);
        state.entries.insert(plugin, entry);
    }
    let store = FileStore::open(dir.path()).unwrap();
    store.commit(0, &Arc::new(state)).unwrap();
    dir
}

fn entry(n: usize) -> (PluginId, Arc<keyway_host::catalog::CatalogEntry>) {
    let mut summary = ManifestSummary::new(name(n), Version::new(1, 0, 0), Slot::Custom);
    summary.description = Some("A plugin that does a thing.".to_owned());
    let mut declared = Declaration::default();
    declared.digest = Some(Digest::of(&n.to_le_bytes()));
    let candidate = Candidate::of_summary(summary, declared).with_source_path("plugins/x");
    let candidate = Box::new(candidate);
    let plan = decide(
        &CatalogState::new(),
        &Operation::Install { candidate },
        1_000,
    )
    .unwrap();
    (name(n), Arc::clone(&plan.next().entries[&name(n)]))
}
