//! Every contract suite passes what ships and rejects one that is broken on purpose.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::approval::{ApprovalRequest, ApproveAll, Approver, DecideLater, Decision};
use keyway_host::audit::{
    AuditError, AuditEvent, AuditHealth, AuditSink, Head, JsonlAudit, MemoryAudit, Redactor,
    records,
};
use keyway_host::catalog::{
    Catalog, CatalogError, CatalogOperationResult, CatalogState, DurableCatalog, Operation, Plan,
};
use keyway_host::clock::{ManualClock, SystemClock};
use keyway_host::digest::Digest;
use keyway_host::gate::{
    Ask, CapabilityGate, EffectAsk, EffectVerdict, Policy, StandardGate, Verdict,
};
use keyway_host::registry::{
    LiveRegistry, RegistrationReport, RegistryChange, RegistrySnapshot, ToolRegistry,
};
use keyway_host::runtime::{
    Enforcement, Launch, LinkedRuntime, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_host::store::{CatalogStore, FileStore, Loaded, MemoryStore, StoreError};
use keyway_plugin_api::{Manifest, PluginId, Register, async_trait};
use keyway_test_support::contract::{self, RuntimeFixture};
use keyway_test_support::{CodeRuntime, ScriptedApprover, TempPackages};

use super::plugins::{Echoes, FailsToStart};

/// Asserts that a suite panics, and that it names the rule.
#[track_caller]
fn rejects(rule: &str, suite: impl FnOnce()) {
    match catch_unwind(AssertUnwindSafe(suite)) {
        Ok(()) => panic!("the suite passed it"),
        Err(panic) => assert_names(rule, &*panic),
    }
}

async fn rejects_async(rule: &str, suite: impl Future<Output = ()> + Send + 'static) {
    match tokio::spawn(suite).await {
        Ok(()) => panic!("the suite passed it"),
        Err(end) => assert_names(rule, &*end.into_panic()),
    }
}

#[track_caller]
fn assert_names(rule: &str, panic: &(dyn std::any::Any + Send)) {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default();
    assert!(text.contains(rule), "expected {rule:?} in {text:?}");
}

// Stores.

#[test]
fn stores_that_ship_keep_the_contract() {
    contract::catalog_store(|| {
        let place = MemoryStore::new();
        move || place.clone()
    });
    contract::catalog_store(|| {
        let folder = tempfile::tempdir().unwrap();
        move || FileStore::open(folder.path()).unwrap()
    });
}

/// Overwrites whatever is there.
#[derive(Clone, Default)]
struct LastWriterWins(Arc<Mutex<CatalogState>>);

impl CatalogStore for LastWriterWins {
    fn load(&self) -> Result<Loaded, StoreError> {
        Ok(Loaded::intact(self.0.lock().unwrap().clone()))
    }
    fn commit(&self, _expected: u64, next: &Arc<CatalogState>) -> Result<(), StoreError> {
        *self.0.lock().unwrap() = CatalogState::clone(next);
        Ok(())
    }
}

/// Says yes and keeps nothing.
#[derive(Clone, Default)]
struct Forgetful;

impl CatalogStore for Forgetful {
    fn load(&self) -> Result<Loaded, StoreError> {
        Ok(Loaded::intact(CatalogState::new()))
    }
    fn commit(&self, _expected: u64, _next: &Arc<CatalogState>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[test]
fn broken_stores_are_rejected() {
    rejects("on an old revision", || {
        contract::catalog_store(|| {
            let place = LastWriterWins::default();
            move || place.clone()
        });
    });
    rejects("load must give what was committed", || {
        contract::catalog_store(|| || Forgetful);
    });
    rejects("another handle must see", || {
        // Every handle has a place of its own.
        contract::catalog_store(|| MemoryStore::new);
    });
}

// Catalogs.

fn memory_catalog() -> DurableCatalog {
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    DurableCatalog::open(MemoryStore::new(), clock).unwrap().0
}

#[test]
fn the_catalog_that_ships_keeps_the_contract() {
    contract::catalog(memory_catalog);
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicUsize::new(0);
    contract::catalog(|| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let store = FileStore::open(folder.path().join(number.to_string())).unwrap();
        DurableCatalog::open(store, Arc::new(SystemClock::new()))
            .unwrap()
            .0
    });
}

/// Applies what was planned on an old revision, too.
struct Replans(DurableCatalog);

impl Catalog for Replans {
    fn snapshot(&self) -> Arc<CatalogState> {
        self.0.snapshot()
    }
    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        self.0.plan(operation)
    }
    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError> {
        let again = self.0.plan(plan.operation())?;
        self.0.apply(again)
    }
}

/// Changes the catalog while it plans.
struct Hasty(DurableCatalog);

impl Catalog for Hasty {
    fn snapshot(&self) -> Arc<CatalogState> {
        self.0.snapshot()
    }
    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        let plan = self.0.plan(operation)?;
        self.0.apply(plan.clone())?;
        Ok(plan)
    }
    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError> {
        Ok(plan.result().clone())
    }
}

#[test]
fn broken_catalogs_are_rejected() {
    rejects("a plan made on an old revision", || {
        contract::catalog(|| Replans(memory_catalog()));
    });
    rejects("planning must change nothing", || {
        contract::catalog(|| Hasty(memory_catalog()));
    });
}

// Audit sinks.

#[test]
fn sinks_that_ship_keep_the_contract() {
    contract::audit_sink(|| {
        let sink = Arc::new(MemoryAudit::new());
        let reader = Arc::clone(&sink);
        (sink, move || reader.events())
    });
    contract::audit_sink(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let clock = Arc::new(SystemClock::new());
        let sink = JsonlAudit::open(&path, clock, Redactor::new()).unwrap();
        let read = move || {
            let _keeps_the_folder = &folder;
            let file = std::fs::File::open(&path).unwrap();
            let all = records(std::io::BufReader::new(file));
            all.map(|record| record.unwrap().event).collect()
        };
        (sink, read)
    });
}

/// A sink with one fault.
#[derive(Default)]
struct Faulty {
    events: Mutex<Vec<AuditEvent>>,
    fault: Fault,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Fault {
    #[default]
    DropsEverySeventh,
    OneHeadForAll,
    Reverses,
}

impl AuditSink for Faulty {
    fn record(&self, event: AuditEvent) {
        let mut events = self.events.lock().unwrap();
        match self.fault {
            Fault::DropsEverySeventh if events.len() % 7 == 6 => {}
            Fault::Reverses => events.insert(0, event),
            _ => events.push(event),
        }
    }
    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        self.record(event);
        Ok(Head::new(1, Digest::of(b"one")))
    }
    fn health(&self) -> AuditHealth {
        AuditHealth::Healthy
    }
}

#[test]
fn broken_sinks_are_rejected() {
    for (fault, rule) in [
        (Fault::DropsEverySeventh, "kept in their order"),
        (Fault::Reverses, "kept in their order"),
        (Fault::OneHeadForAll, "a place of its own"),
    ] {
        rejects(rule, || {
            contract::audit_sink(|| {
                let events = Mutex::default();
                let sink = Arc::new(Faulty { events, fault });
                let reader = Arc::clone(&sink);
                (sink, move || reader.events.lock().unwrap().clone())
            });
        });
    }
}

// Gates.

/// Refuses everything; a gate may.
struct Refuses;

impl CapabilityGate for Refuses {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        let name = ask.tool().name().to_owned();
        ask.deny(keyway_plugin_api::Denial::new(
            keyway_plugin_api::DenialReason::Forbidden,
            name,
            "anything",
        ))
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        StandardGate::default().decide_effect(ask)
    }
}

#[tokio::test]
async fn gates_that_ship_keep_the_contract() {
    contract::capability_gate(StandardGate::default).await;
    contract::capability_gate(|| StandardGate::new(Policy::strict())).await;
    contract::capability_gate(|| Refuses).await;
}

/// Permits everything.
struct Open;

impl CapabilityGate for Open {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        ask.permit()
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        ask.permit(Vec::new())
    }
}

/// Looks at calls and lets every effect pass.
struct HalfOpen(StandardGate);

impl CapabilityGate for HalfOpen {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        self.0.decide(ask)
    }
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        ask.permit(Vec::new())
    }
}

/// Falls over.
struct Panics;

impl CapabilityGate for Panics {
    fn decide(&self, _ask: Ask<'_>) -> Verdict {
        panic!("the gate fell over")
    }
    fn decide_effect(&self, _ask: EffectAsk<'_>) -> EffectVerdict {
        panic!("the gate fell over")
    }
}

#[tokio::test]
async fn broken_gates_are_rejected() {
    rejects_async("must not pass", contract::capability_gate(|| Open)).await;
    let half_open = || HalfOpen(StandardGate::default());
    rejects_async("must not pass", contract::capability_gate(half_open)).await;
    rejects_async(
        "a gate must not panic",
        contract::capability_gate(|| Panics),
    )
    .await;
}

// Registries.

#[tokio::test]
async fn the_registry_that_ships_keeps_the_contract() {
    contract::tool_registry(LiveRegistry::new).await;
}

/// Shows a change one step late.
#[derive(Default)]
struct Late {
    live: LiveRegistry,
    shown: Mutex<Option<Arc<RegistrySnapshot>>>,
}

impl ToolRegistry for Late {
    fn snapshot(&self) -> Arc<RegistrySnapshot> {
        let shown = self.shown.lock().unwrap().clone();
        shown.unwrap_or_else(|| self.live.snapshot())
    }
    fn publish(&self, change: RegistryChange) -> RegistrationReport {
        *self.shown.lock().unwrap() = Some(self.live.snapshot());
        self.live.publish(change)
    }
}

/// Keeps what became of a change to itself.
#[derive(Default)]
struct Silent(LiveRegistry);

impl ToolRegistry for Silent {
    fn snapshot(&self) -> Arc<RegistrySnapshot> {
        self.0.snapshot()
    }
    fn publish(&self, change: RegistryChange) -> RegistrationReport {
        self.0.publish(change);
        RegistrationReport::default()
    }
}

#[tokio::test]
async fn broken_registries_are_rejected() {
    let late = contract::tool_registry(Late::default);
    rejects_async("what was published must be found", late).await;
    let silent = contract::tool_registry(Silent::default);
    rejects_async("must be reported as refused", silent).await;
}

// Approvers.

const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn approvers_that_ship_keep_the_contract() {
    contract::approver(ApproveAll, PATIENCE).await;
    contract::approver(DecideLater, PATIENCE).await;
    let granting = ScriptedApprover::approving().granting(["filesystem:write:./notes"]);
    contract::approver(granting, PATIENCE).await;
}

/// Never comes back.
struct Asleep;

#[async_trait]
impl Approver for Asleep {
    async fn review(&self, _request: &ApprovalRequest) -> Decision {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn broken_approvers_are_rejected() {
    let answers = |decision| ScriptedApprover::answering(decision);
    let edit = Decision::Edit {
        arguments: serde_json::json!([1]),
    };
    let wordless = Decision::Deny { reason: " ".into() };
    let greedy = Decision::Approve {
        optional: vec!["secret:EVERYTHING".to_owned()],
    };
    for (decision, rule) in [
        (edit, "approved, denied or left"),
        (wordless, "told why not"),
        (greedy, "only what a plugin asks for"),
    ] {
        rejects_async(rule, contract::approver(answers(decision), PATIENCE)).await;
    }
    let listed = ScriptedApprover::for_calls(Decision::Edit {
        arguments: serde_json::json!([1]),
    });
    rejects_async(
        "arguments are an object",
        contract::approver(listed, PATIENCE),
    )
    .await;
    rejects_async("a review must end", contract::approver(Asleep, PATIENCE)).await;
}

// Runtimes.

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
                use keyway_plugin_api::Plugin as _;
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
