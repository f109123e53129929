//! A host with plugins in their processes, all of it on the disk as in production.

use std::path::Path;
use std::process::Command;

use keyway_host::Host;
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_host::view::View;
use keyway_process::supervisor::SupervisorPolicy;
use keyway_process::{ProcessOptions, ProcessRuntime};
use keyway_test_support::{ScriptedApprover, TempPackages};
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::Outcome;
use crate::proc::{processes_of, settle};

/// Builds the plugin that the storms go over, in the profile of this program.
pub(crate) fn build_stress() -> Outcome<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--manifest-path"]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    command.args(["--bin", "keyway-stress"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    match command.status()?.success() {
        true => Ok(()),
        false => Err("keyway-stress could not be built".into()),
    }
}

/// The stress plugin, which lies beside the folder of examples.
fn stress() -> Outcome<Vec<u8>> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(2).ok_or("this program has no folder")?;
    let program = folder.join("keyway-stress");
    std::fs::read(&program).map_err(|error| format!("{}: {error}", program.display()).into())
}

/// A host with stress plugins `p0`, `p1`, ….
pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) packages: TempPackages,
    plugins: usize,
    folder: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn start(plugins: usize) -> Outcome<Self> {
        let packages = TempPackages::new();
        let stress = stress()?;
        let runtime = json!({ "kind": "process", "command": "./stress" });
        for number in 0..plugins {
            let name = name(number);
            packages.write(&name, &manifest(&name, &runtime, &["echo", "sleep"]));
            packages.write_file(&name, "stress", &stress);
        }
        let folder = tempfile::tempdir()?;
        let host = host(folder.path(), &packages, options())?;
        let report = host.start().await;
        if report.failures().next().is_some() {
            return Err(format!("a plugin did not start: {report:?}").into());
        }
        Ok(Self {
            host,
            packages,
            plugins,
            folder,
        })
    }

    pub(crate) fn view(&self) -> View {
        self.host.view(Scope::everywhere())
    }

    /// All processes of its plugins.
    pub(crate) fn processes(&self) -> Outcome<Vec<Pid>> {
        processes_of(&self.store())
    }

    /// The plugin whose program a process runs; nothing for one that only looks after another.
    pub(crate) fn plugin_of(&self, process: Pid) -> Option<usize> {
        let path = format!("/proc/{}/environ", process.as_raw_nonzero());
        let environment = std::fs::read(path).ok()?;
        let environment = String::from_utf8_lossy(&environment);
        let mut variables = environment.split('\0');
        let plugin = variables.find_map(|variable| variable.strip_prefix("KEYWAY_PLUGIN=p"))?;
        plugin.parse().ok()
    }

    pub(crate) fn is_listed(&self, plugin: usize) -> bool {
        let tool = format!("{}/echo", name(plugin));
        self.host.registry().get(&tool).is_some()
    }

    pub(crate) fn listed(&self) -> usize {
        (0..self.plugins).filter(|n| self.is_listed(*n)).count()
    }

    fn store(&self) -> String {
        self.folder.path().to_string_lossy().into_owned()
    }

    /// Shuts down and returns how many processes are left.
    pub(crate) async fn end(self) -> Outcome<usize> {
        self.host.shutdown().await;
        let store = self.store();
        drop(self.host);
        settle(|| Ok(processes_of(&store)?.len()), 0).await
    }
}

/// Makes a host that keeps everything in a folder.
pub(crate) fn host(
    folder: &Path,
    packages: &TempPackages,
    options: ProcessOptions,
) -> Outcome<Host> {
    let runtime = ProcessRuntime::new(folder.join("processes"), options)?;
    let host = Host::builder("storms", "1.0.0")
        .state_dir(folder)
        .runtime(runtime)
        .plugins_dir(packages.path(), Trust::Community)
        .approver(ScriptedApprover::approving())
        .build()?;
    Ok(host)
}

pub(crate) fn name(number: usize) -> String {
    format!("p{number}")
}

/// Never tires, so that the budget for crashes does not end the storm.
fn options() -> ProcessOptions {
    ProcessOptions::new().with_supervision(SupervisorPolicy {
        backoff_ms: 1,
        backoff_max_ms: 5,
        crashes: usize::MAX,
        strikes: u32::MAX,
        ..SupervisorPolicy::default()
    })
}

/// The manifest of a plugin that runs as a process.
pub(crate) fn manifest(name: &str, runtime: &Value, tools: &[&str]) -> String {
    json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": name, "version": "1.0.0",
        "extensions": { "dev.keyway": {
            "schemaVersion": 1, "api": ">=0.1, <0.2",
            "runtime": runtime,
            "contributes": { "tools": tools },
        }},
    })
    .to_string()
}
