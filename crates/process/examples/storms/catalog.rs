//! L1 and L2: what a catalog of a thousand plugins costs to change and to start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keyway_channel::message::Registration;
use keyway_host::Host;
use keyway_host::catalog::{
    Candidate, Catalog as _, CatalogEntry, CatalogState, Declaration, DurableCatalog,
    ManifestSummary, Operation, decide,
};
use keyway_host::clock::SystemClock;
use keyway_host::digest::Digest;
use keyway_host::gate::Policy;
use keyway_host::rank::Trust;
use keyway_host::runtime::Enforcement;
use keyway_host::store::{CatalogStore as _, FileStore};
use keyway_plugin_api::{Effect, PluginId, Slot, ToolDescriptor, ToolName};
use keyway_process::{ProcessOptions, ProcessRuntime};
use keyway_test_support::{ScriptedApprover, TempPackages};
use semver::Version;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Outcome;
use crate::proc::resident_kib;
use crate::report::{Report, Times, shown};
use crate::site::{manifest, name};

const ENTRIES: usize = 1_000;
/// Starts that are measured, each in a process of its own.
const STARTS: usize = 10;
/// The tools of each plugin.
const TOOLS: [&str; 2] = ["first", "second"];
/// Names the folder of the host that a process is to start and measure.
const MEASURED: &str = "KEYWAY_STORMS_START";

/// Switches one of a thousand plugins off and on, durably each time.
pub(crate) fn changes(time: Duration, report: &mut Report) -> Outcome<()> {
    // On the disk that holds the build, not in a folder that may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
    let store = FileStore::open(folder.path())?;
    let mut state = CatalogState::new();
    for number in 0..ENTRIES {
        let (plugin, entry) = entry(number)?;
        state.entries.insert(plugin, entry);
    }
    store.commit(0, &Arc::new(state))?;
    let kib = std::fs::metadata(folder.path().join("plugins.json"))?.len() / 1_024;
    let (catalog, _) = DurableCatalog::open(store, Arc::new(SystemClock::new()))?;
    let (mut times, mut is_on, began) = (Vec::new(), true, Instant::now());
    while began.elapsed() < time {
        is_on = !is_on;
        let plugin = PluginId::parse(&name(ENTRIES / 2))?;
        let operation = match is_on {
            true => Operation::Enable { plugin },
            false => Operation::Disable {
                plugin,
                cascade: false,
            },
        };
        let asked = Instant::now();
        catalog.run(&operation)?;
        times.push(asked.elapsed());
    }
    let what = format!("durable change of a catalog of {ENTRIES} entries, {kib} KiB");
    let goals = [
        (50, Duration::from_millis(5)),
        (99, Duration::from_millis(40)),
    ];
    report.times(("L1", &what), &goals, &Times::of(times));
    Ok(())
}

fn entry(number: usize) -> Outcome<(PluginId, Arc<CatalogEntry>)> {
    let plugin = PluginId::parse(&name(number))?;
    let mut summary = ManifestSummary::new(plugin.clone(), Version::new(1, 0, 0), Slot::Custom);
    summary.description = Some("A plugin that does a thing.".to_owned());
    let mut declared = Declaration::default();
    declared.digest = Some(Digest::of(&number.to_le_bytes()));
    let candidate = Candidate::of_summary(summary, declared).with_source_path("plugins/x");
    let candidate = Box::new(candidate);
    let plan = decide(&CatalogState::new(), &Operation::Install { candidate }, 0)?;
    let entry = plan.next().entries.get(&plugin);
    let entry = Arc::clone(entry.ok_or("an installed plugin is not in the plan")?);
    Ok((plugin, entry))
}

/// Starts a host with a thousand plugins whose tools are known and whose processes come with the
/// first call.
pub(crate) async fn starts(report: &mut Report) -> Outcome<()> {
    let (folder, packages) = (tempfile::tempdir()?, TempPackages::new());
    let runtime = json!({ "kind": "process", "command": "python3", "args": ["main.py"] });
    for number in 0..ENTRIES {
        let name = name(number);
        packages.write(&name, &manifest(&name, &runtime, &TOOLS));
        // What would run is not what is measured; only that it is there and hashed.
        packages.write_file(&name, "main.py", b"print('nobody called')\n");
    }
    let start = Start {
        state: folder.path().to_owned(),
        packages: packages.path().to_owned(),
    };
    let digests = (0..ENTRIES).map(|number| packages.candidate(&name(number)).declared.digest);
    start.remember_tools(digests.flatten())?;
    // Takes all of them in and approves them; what is measured comes after.
    start.host()?.start().await;
    let (mut times, mut most_kib) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let told = start.measure()?;
        let us = told["us"].as_u64().ok_or("a start told no time")?;
        times.push(Duration::from_micros(us));
        most_kib = most_kib.max(told["kib"].as_u64().ok_or("a start told no memory")?);
    }
    let times = Times::of(times);
    let median = times.at(50).unwrap_or_default();
    let most = Duration::from_millis(150);
    let what = format!("start with {ENTRIES} lazy plugins");
    report.times(("L2", &what), &[(50, most)], &times);
    let fact = ("L2", "memory of that host ≤ 40 MiB");
    let mib = most_kib as f64 / 1_024.0;
    let measured = format!("{mib:.1} MiB at most, after a start of {}", shown(median));
    report.fact(fact, (measured, json!({ "mib": mib })), Some(mib <= 40.0));
    Ok(())
}

/// Where a host with many plugins lies.
struct Start {
    state: PathBuf,
    packages: PathBuf,
}

impl Start {
    fn host(&self) -> Outcome<Host> {
        let options = ProcessOptions::new().with_lazy_start(true);
        let runtime = ProcessRuntime::new(self.state.join("processes"), options)?;
        // None of them runs, so this is counted below valgrind too, where nothing can be confined.
        let policy = Policy::standard().with_minimum(Trust::Community, Enforcement::Declared);
        let host = Host::builder("storms", "1.0.0")
            .state_dir(&self.state)
            .policy(policy)
            .runtime(runtime)
            .plugins_dir(&self.packages, Trust::Community)
            .approver(ScriptedApprover::approving())
            .build()?;
        Ok(host)
    }

    /// Writes what the runtime remembers of packages that have run, so that a thousand processes
    /// need not run first.
    fn remember_tools(&self, digests: impl Iterator<Item = Digest>) -> Outcome<()> {
        // Makes the folders.
        ProcessRuntime::new(self.state.join("processes"), ProcessOptions::new())?;
        let folder = self.state.join("processes/descriptors");
        let registration = Registration {
            tools: TOOLS.iter().flat_map(|name| tool(name)).collect(),
            hooks: Vec::new(),
        };
        let settings = Digest::of_json(&json!({}));
        let known = json!({ "settings": settings, "registration": registration }).to_string();
        for digest in digests {
            let hex = digest.to_string().replace("sha256:", "");
            let file = std::fs::File::create(folder.join(format!("{hex}.json")))?;
            std::io::Write::write_all(&mut &file, known.as_bytes())?;
        }
        Ok(())
    }

    /// Starts it in a process of its own, which tells what that cost.
    fn measure(&self) -> Outcome<Value> {
        let told = Command::new(std::env::current_exe()?)
            .env(MEASURED, &self.state)
            .arg(&self.packages)
            .output()?;
        Ok(serde_json::from_slice(&told.stdout)?)
    }
}

/// The folders of the host that this process is to start, when it is one of those.
pub(crate) fn measured_start() -> Option<PathBuf> {
    std::env::var_os(MEASURED).map(PathBuf::from)
}

/// Starts the host in this process and tells how long that took and what it holds then.
pub(crate) fn start_and_tell(state: &Path) -> Outcome<()> {
    let packages = std::env::args_os().nth(1).ok_or("the folder of packages")?;
    let start = Start {
        state: state.to_owned(),
        packages: packages.into(),
    };
    let told = crate::runtime()?.block_on(async {
        let began = Instant::now();
        let host = start.host()?;
        let report = host.start().await;
        let us = u64::try_from(began.elapsed().as_micros())?;
        let running = report.plugins.iter().filter(|plugin| plugin.is_running());
        match running.count() {
            ENTRIES => Outcome::Ok(json!({ "us": us, "kib": resident_kib()? })),
            _ => Err(format!("not all run: {:?}", report.failures().next()).into()),
        }
    })?;
    crate::show(&told.to_string());
    Ok(())
}

fn tool(name: &str) -> Option<ToolDescriptor> {
    let text = json!({ "type": "object", "properties": { "text": { "type": "string" } } });
    let (name, what) = (ToolName::parse(name).ok()?, "Does a thing with a text.");
    Some(ToolDescriptor::new(name, what, Effect::Read, text))
}
