//! A host with plugins that run as processes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyway_channel::pulse::PulseLimits;
use keyway_host::audit::AuditEvent;
use keyway_host::clock::{Clock as _, SystemClock};
use keyway_host::limits::Limits;
use keyway_host::notice::Notice;
use keyway_host::rank::Trust;
use keyway_host::{CallError, HostBuilder, PluginStatus};
use keyway_process::supervisor::SupervisorPolicy;
use keyway_process::{ProcessOptions, ProcessRuntime};
use keyway_test_support::{FakeClock, RecordedEffects, ScriptedApprover, TempPackages, TestHost};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

/// The plugin that misbehaves on demand.
pub(crate) const STRESS: &str = env!("CARGO_BIN_EXE_keyway-stress");

/// Every tool of the stress plugin.
pub(crate) const TOOLS: [&str; 17] = [
    "ask", "attack", "beats", "bomb", "crash", "deaf", "echo", "flood", "fork", "late", "look",
    "nap", "print", "recall", "say", "sleep", "stuck",
];

/// How long anything may take that has to happen: a machine that does other things is slow, and
/// only what never happens is to fail.
pub(crate) const CEILING: Duration = Duration::from_secs(60);

/// Limits that nothing meets which goes well.
pub(crate) fn generous() -> Limits {
    Limits {
        call: CEILING * 5,
        hook: CEILING,
        start: CEILING,
        ..Limits::default()
    }
}

/// How long the end of a process may take after that of its channel: its reason is asked for, however
/// busy the machine is.
const EXIT_GRACE_MS: u64 = 20_000;

/// Options that are quick in everything that tests wait for, and patient with what has to come.
pub(crate) fn quick() -> ProcessOptions {
    ProcessOptions::new()
        .with_handshake(CEILING)
        .with_supervision(SupervisorPolicy {
            backoff_ms: 20,
            exit_grace_ms: EXIT_GRACE_MS,
            ..SupervisorPolicy::default()
        })
}

/// What [`watchful`] waits for until a silent process is dead: 200 ms of silence, and pings of 200 ms.
/// A healthy process is not silent for so long on any machine.
pub(crate) const DEAD: Duration = Duration::from_millis(200 * (1 + MISSES as u64));
const MISSES: u32 = 24;

/// Options with which a silent process is found out within seconds.
pub(crate) fn watchful() -> ProcessOptions {
    let pulse = PulseLimits::default().with_idle_ms(200).with_misses(MISSES);
    quick().with_pulse(pulse)
}

/// A supervisor that never tires, so that the budget does not end the test.
pub(crate) fn tireless() -> SupervisorPolicy {
    SupervisorPolicy {
        backoff_ms: 1,
        backoff_max_ms: 5,
        crashes: usize::MAX,
        exit_grace_ms: EXIT_GRACE_MS,
        strikes: u32::MAX,
        ..SupervisorPolicy::default()
    }
}

/// Folders with packages of the stress plugin and the store of the runtime.
pub(crate) struct Site {
    pub(crate) packages: TempPackages,
    store: tempfile::TempDir,
    options: ProcessOptions,
    effects: Arc<RecordedEffects>,
    trust: Trust,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(quick())
    }

    pub(crate) fn with(options: ProcessOptions) -> Self {
        Self {
            packages: TempPackages::new(),
            store: tempfile::tempdir().unwrap(),
            options,
            effects: Arc::default(),
            trust: Trust::Community,
        }
    }

    pub(crate) fn trusting(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Adds a stress plugin with all its tools.
    pub(crate) fn stress(self, name: &str, switches: &[&str]) -> Self {
        self.plugin(name, switches, json!({}))
    }

    /// Adds a stress plugin whose extension has these fields, too.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write `json!` in place"
    )]
    pub(crate) fn plugin(self, name: &str, switches: &[&str], more: Value) -> Self {
        self.packages.write(name, &manifest(name, switches, &more));
        self.copy_program(name);
        self
    }

    fn copy_program(&self, name: &str) {
        let bin = self.packages.folder(name).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy(STRESS, bin.join("stress")).unwrap();
    }

    pub(crate) fn store(&self) -> &Path {
        self.store.path()
    }

    pub(crate) fn effects(&self) -> &RecordedEffects {
        &self.effects
    }

    pub(crate) fn runtime(&self) -> ProcessRuntime {
        ProcessRuntime::new(self.store.path(), self.options.clone()).unwrap()
    }

    /// Starts a host; the operator says yes to everything.
    pub(crate) async fn start(&self) -> TestHost {
        self.start_with(|host| host).await
    }

    pub(crate) async fn start_with(
        &self,
        change: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> TestHost {
        self.builder(change).start().await
    }

    /// Makes a host that is started by and by, so that a test can listen before.
    pub(crate) fn build(&self) -> TestHost {
        self.builder(|host| host).build()
    }

    fn builder(
        &self,
        change: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> keyway_test_support::TestHostBuilder {
        let (runtime, folder) = (self.runtime(), self.packages.path().to_owned());
        TestHost::builder()
            .approver(ScriptedApprover::approving())
            .effects(Arc::clone(&self.effects))
            // Calls carry their deadline to plugins that read the machine's clock.
            .clock(FakeClock::at(SystemClock::new().now_ms()))
            .configure(|host| host.runtime(runtime).plugins_dir(folder, self.trust))
            .configure(|host| change(host.limits(generous())))
    }
}

/// The manifest of a stress plugin.
pub(crate) fn manifest(name: &str, switches: &[&str], more: &Value) -> String {
    let mut extension = json!({
        "schemaVersion": 1,
        "api": ">=0.1, <0.2",
        "runtime": { "kind": "process", "command": "./bin/stress", "args": switches },
        "contributes": { "tools": TOOLS },
    });
    let more = more.as_object().cloned().unwrap_or_default();
    extension.as_object_mut().unwrap().extend(more);
    json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": name,
        "version": "0.1.0",
        "extensions": { "dev.keyway": extension },
    })
    .to_string()
}

/// Starts a host with one plugin that is expected to run.
pub(crate) async fn running(site: &Site) -> TestHost {
    let host = site.start().await;
    let failed: Vec<_> = host.report().failures().collect();
    assert!(failed.is_empty(), "{failed:#?}");
    host
}

/// Returns why a plugin did not start, as its code and reason.
#[track_caller]
pub(crate) fn failure(host: &TestHost, plugin: &str) -> (String, String) {
    let outcome = host.report().plugin(plugin).unwrap();
    match &outcome.status {
        PluginStatus::Failed { code, reason, .. } => ((*code).to_owned(), reason.clone()),
        other => panic!("{plugin} did not fail: {other:?}"),
    }
}

/// Returns the stable code of a failed call.
pub(crate) fn code(result: &Result<Value, CallError>) -> String {
    match result {
        Ok(value) => format!("worked: {value}"),
        Err(error) => error.code().to_owned(),
    }
}

/// Tries until it holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < CEILING, "not within {CEILING:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a notice that holds these words.
pub(crate) async fn notice(notices: &mut Receiver<Notice>, words: &str) -> Notice {
    let wait = async {
        let mut seen = Vec::new();
        loop {
            match notices.recv().await {
                Ok(notice) if notice.message.contains(words) => return notice,
                Ok(notice) => seen.push(notice),
                Err(error) => panic!("{error}; seen: {seen:#?}"),
            }
        }
    };
    let waited = tokio::time::timeout(CEILING, wait).await;
    waited.unwrap_or_else(|_| panic!("no notice says: {words}"))
}

/// Waits until a stress plugin has read the calls that were made before: it reads in their order, and
/// answers an echo at once.
pub(crate) async fn is_read(host: &TestHost, plugin: &str) {
    // Calls that were spawned or joined have been sent by then.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let echoed = host.call(&format!("{plugin}/echo"), json!({})).await;
    assert_eq!(echoed.unwrap(), json!({}));
}

/// Waits for what a plugin was answered to a request that it made outside of its calls.
pub(crate) async fn recalled(host: &TestHost, plugin: &str) -> Value {
    let began = Instant::now();
    loop {
        let recalled = host.call(&format!("{plugin}/recall"), json!({})).await;
        match recalled.unwrap() {
            Value::Null => assert!(began.elapsed() < CEILING, "the request was not answered"),
            answer => return answer,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn is_listed(host: &TestHost, tool: &str) -> bool {
    host.host().registry().get(tool).is_some()
}

/// Returns what the trail says about failures of a plugin.
pub(crate) fn failures_in_trail(host: &TestHost, name: &str) -> Vec<String> {
    let events = host.audit_events();
    let failed = events.iter().filter_map(|event| match event {
        AuditEvent::PluginFailed { plugin, reason, .. } if plugin.as_str() == name => {
            Some(reason.to_string())
        }
        _ => None,
    });
    failed.collect()
}

/// Returns the process of a site's plugin that holds the channel: its own, not the one that
/// started it.
pub(crate) fn program(site: &Site) -> Option<rustix::process::Pid> {
    let store = site.store().to_string_lossy().into_owned();
    highest(&processes(&store))
}

/// Returns the process of one of several plugins.
pub(crate) fn program_of(site: &Site, plugin: &str) -> Option<rustix::process::Pid> {
    let store = site.store().to_string_lossy().into_owned();
    let mut found = processes(&store);
    let variable = format!("KEYWAY_PLUGIN={plugin}\0");
    found.retain(|path| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&variable)
    });
    highest(&found)
}

/// Returns the process that was started last, of folders in `/proc`.
pub(crate) fn highest(processes: &[PathBuf]) -> Option<rustix::process::Pid> {
    let names = processes
        .iter()
        .filter_map(|path| path.file_name()?.to_str());
    let last = names.filter_map(|name| name.parse().ok()).max();
    last.and_then(rustix::process::Pid::from_raw)
}

/// Returns the processes of this machine whose command line holds a word.
pub(crate) fn processes(word: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(word) {
            found.push(entry.path());
        }
    }
    found
}
