//! What runs plugins.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use keyway_host::runtime::{
    Enforcement, Launch, LinkedRuntime, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_plugin_api::{Manifest, Plugin, PluginId, Register, async_trait};
use keyway_test_support::contract::{self, RuntimeFixture};
use keyway_test_support::{CodeRuntime, TempPackages};

use super::rejects_async;
use crate::kit::plugins::{Echoes, FailsToStart};

fn fixture<R>(runtime: R, kind: &str) -> (RuntimeFixture<R>, TempPackages) {
    let packages = TempPackages::new();
    for name in ["good", "bad"] {
        packages.write(name, &Echoes::manifest_of(name, kind));
    }
    let fixture = RuntimeFixture {
        runtime,
        packages: packages.path().to_owned(),
        good: "good".to_owned(),
        bad: "bad".to_owned(),
    };
    (fixture, packages)
}

/// Fixtures whose folders stay until the test ends.
fn fixtures<R>(kind: &'static str, make: impl Fn() -> R) -> impl Fn() -> RuntimeFixture<R> {
    let kept: Mutex<Vec<TempPackages>> = Mutex::default();
    move || {
        let (fixture, packages) = fixture(make(), kind);
        kept.lock().unwrap().push(packages);
        fixture
    }
}

fn code() -> CodeRuntime {
    CodeRuntime::new()
        .with("good", Echoes)
        .with("bad", FailsToStart)
}

fn linked() -> LinkedRuntime {
    let mut runtime = LinkedRuntime::new();
    let id = |name| PluginId::parse(name).unwrap();
    runtime.add(id("good"), Arc::new(Echoes)).ok().unwrap();
    runtime.add(id("bad"), Arc::new(FailsToStart)).ok().unwrap();
    runtime
}

/// The host has a linked runtime of its own, which knows nothing; this one comes in front of it
/// because the packages say `process`.
struct AsProcess<R>(R);

#[async_trait]
impl<R: PluginRuntime> PluginRuntime for AsProcess<R> {
    fn supports(&self, manifest: &Manifest) -> bool {
        manifest.runtime().is_some()
    }
    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        self.0.start(launch).await
    }
}

#[tokio::test]
async fn runtimes_that_ship_keep_the_contract() {
    contract::plugin_runtime(fixtures("process", code)).await;
    contract::plugin_runtime(fixtures("process", || AsProcess(linked()))).await;
}

/// Takes no notice of a start that fails.
struct Careless(CodeRuntime);

struct Nothing;

#[async_trait]
impl RunningPlugin for Nothing {
    async fn stop(&self) {}
}

#[async_trait]
impl PluginRuntime for Careless {
    fn supports(&self, manifest: &Manifest) -> bool {
        self.0.supports(manifest)
    }
    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        match self.0.start(launch.clone()).await {
            Ok(started) => Ok(started),
            Err(_) => {
                let mut ctx = Register::open(&launch.manifest, &launch.settings);
                Echoes.register(&mut ctx)?;
                Ok(Started::new(
                    ctx.finish(),
                    Arc::new(Nothing),
                    Enforcement::Enforced,
                ))
            }
        }
    }
}

/// Starts the first plugin only; whatever comes later finds nothing.
struct OnlyOnce(CodeRuntime, Mutex<Vec<PathBuf>>);

#[async_trait]
impl PluginRuntime for OnlyOnce {
    fn supports(&self, manifest: &Manifest) -> bool {
        self.0.supports(manifest)
    }
    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        let path = launch.source_path.clone().unwrap_or_default();
        {
            let mut seen = self.1.lock().unwrap();
            if seen.contains(&path) {
                let reason = "it was started before".to_owned();
                return Err(StartError::Failed { reason });
            }
            seen.push(path);
        }
        self.0.start(launch).await
    }
}

#[tokio::test]
async fn broken_runtimes_are_rejected() {
    let careless = contract::plugin_runtime(fixtures("process", || Careless(code())));
    rejects_async("must be reported as failed", careless).await;
    let once = contract::plugin_runtime(fixtures("process", || OnlyOnce(code(), Mutex::default())));
    rejects_async("was refused", once).await;
}
