//! What confinement costs at the start of a program.
#![expect(clippy::unwrap_used, reason = "a benchmark has no caller to tell")]

use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use keyway_sandbox::{Handover, Jail, Probe, Program};

fn spawn(c: &mut Criterion) {
    let mut group = c.benchmark_group("start and end of /bin/true");
    group.sample_size(50);
    group.bench_function("plain", |b| {
        b.iter(|| {
            let mut command = Command::new("/bin/true");
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command.spawn().unwrap().wait().unwrap()
        });
    });
    let bare = Probe::detect().without_namespaces();
    for (name, jail) in [
        ("jailed", Jail::new()),
        ("jailed, without namespaces", Jail::new().probe(bare)),
    ] {
        let at = Program::at("/bin/true");
        group.bench_function(name, |b| {
            b.iter(|| jail.spawn(&at, Handover::new()).unwrap().wait().unwrap());
        });
    }
    let (jail, sealed) = (Jail::new(), Program::sealed("/bin/true").unwrap());
    group.bench_function("jailed, sealed", |b| {
        b.iter(|| {
            jail.spawn(&sealed, Handover::new())
                .unwrap()
                .wait()
                .unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, spawn);
criterion_main!(benches);
