//! A host that is killed between writing the catalog and recording it: the next one makes good.

#![cfg(unix)]

use std::path::Path;
use std::sync::Arc;

use keyway_host::audit::{AuditEvent, Change, JsonlAudit, Redactor, replay};
use keyway_host::catalog::{
    Approval, Catalog, CatalogError, CatalogOperationResult, CatalogState, DurableCatalog,
    Operation, Plan,
};
use keyway_host::clock::SystemClock;
use keyway_host::limits::Limits;
use keyway_host::operator::OperatorId;
use keyway_host::package::Package;
use keyway_host::store::FileStore;
use keyway_host::{AUDIT_FILE, Host};
use serde_json::{Value, json};

use super::support::{CHILD, Scene, plugin, this_test};

/// The revision after whose write a child dies.
const LAST: &str = "KEYWAY_TESTS_LAST_REVISION";

/// A catalog whose process ends between the write of one revision and its return.
struct Dying {
    catalog: DurableCatalog,
    last: u64,
}

impl Catalog for Dying {
    fn snapshot(&self) -> Arc<CatalogState> {
        self.catalog.snapshot()
    }

    fn plan(&self, operation: &Operation) -> Result<Plan, CatalogError> {
        self.catalog.plan(operation)
    }

    fn apply(&self, plan: Plan) -> Result<CatalogOperationResult, CatalogError> {
        let result = self.catalog.apply(plan)?;
        if self.snapshot().revision() == self.last {
            std::process::abort();
        }
        Ok(result)
    }

    fn refresh(&self) -> Result<bool, CatalogError> {
        self.catalog.refresh()
    }
}

fn olga() -> OperatorId {
    OperatorId::parse("olga").unwrap()
}

fn install(package: &str) -> Operation {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/packages");
    let package = Package::read(&packages.join(package), &Limits::default()).unwrap();
    Operation::Install {
        candidate: Box::new(package.candidate()),
    }
}

/// One operation for each revision.
fn operations() -> Vec<Operation> {
    let (model, tools) = (plugin("ollama-llm"), plugin("github-tools"));
    vec![
        install("ollama-llm"),
        install("github-tools"),
        Operation::Approve {
            plugin: tools.clone(),
            approval: Approval::by(olga()),
        },
        Operation::Disable {
            plugin: model.clone(),
            cascade: false,
        },
        Operation::Enable {
            plugin: model.clone(),
        },
        Operation::Uninstall {
            plugin: model,
            cascade: false,
            state: None,
        },
        Operation::Revoke {
            plugin: tools,
            by: olga(),
            reason: "it lied".to_owned(),
        },
    ]
}

/// Does everything up to a revision, and dies in the middle of that.
async fn die_at(folder: &Path, last: u64) {
    let clock = Arc::new(SystemClock::new());
    let store = FileStore::open(folder).unwrap();
    let (catalog, _) = DurableCatalog::open(store, clock.clone()).unwrap();
    let trail = JsonlAudit::open(folder.join(AUDIT_FILE), clock, Redactor::new()).unwrap();
    let host = Host::builder("dying", "1.0.0")
        .catalog(Dying { catalog, last })
        .audit(trail)
        .build()
        .unwrap();
    for operation in operations() {
        host.run(&operation).await.unwrap();
    }
}

/// A folder in which a host died in the middle of a revision.
fn died_at(test: &str, last: u64) -> Scene {
    let scene = Scene::new();
    let setup = format!("export {LAST}={last};");
    let child = this_test(&format!("audit::mending::{test}"), &scene, &setup);
    let ended = child.wait_with_output().unwrap();
    assert!(!ended.status.success(), "it lived");
    assert_eq!(in_catalog(&scene)["keyway"]["revision"], last);
    scene
}

/// What a child does instead of its test.
async fn died() -> bool {
    let Some(path) = std::env::var_os(CHILD) else {
        return false;
    };
    let last = std::env::var(LAST).unwrap().parse().unwrap();
    die_at(Path::new(&path).parent().unwrap(), last).await;
    true
}

fn host(scene: &Scene) -> Host {
    Host::builder("next", "1.0.0")
        .state_dir(scene.folder())
        .build()
        .unwrap()
}

async fn started(scene: &Scene) {
    let host = host(scene);
    host.start().await;
}

fn in_catalog(scene: &Scene) -> Value {
    let text = std::fs::read_to_string(scene.folder().join("plugins.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn repairs(scene: &Scene) -> usize {
    let events = scene.events().into_iter();
    let repairs = events.filter(|event| matches!(event, AuditEvent::CatalogRepaired { .. }));
    repairs.count()
}

#[tokio::test]
async fn s_i3_a_change_whose_record_a_kill_prevented_is_recorded_at_the_next_start() {
    if died().await {
        return;
    }
    let name = "s_i3_a_change_whose_record_a_kill_prevented_is_recorded_at_the_next_start";
    for last in 1..=operations().len() as u64 {
        let scene = died_at(name, last);
        // The control: until then the trail is one operation behind.
        assert_ne!(scene.trail().replay().unwrap(), in_catalog(&scene));
        started(&scene).await;
        assert_eq!(
            scene.trail().replay().unwrap(),
            in_catalog(&scene),
            "{last}"
        );
        assert_eq!(repairs(&scene), 1);
        started(&scene).await;
        assert_eq!(repairs(&scene), 1, "once is enough");
        scene.trail().verify().unwrap();
    }
}

/// An operator's command that starts nothing can come in between, and leaves a gap.
#[tokio::test]
async fn s_i3_a_gap_in_the_trail_is_filled_at_the_next_start() {
    if died().await {
        return;
    }
    let scene = died_at("s_i3_a_gap_in_the_trail_is_filled_at_the_next_start", 2);
    host(&scene).run(&install("plain-notes")).await.unwrap();
    let replayed = scene.trail().replay().unwrap();
    assert_eq!(replayed["keyway"]["revision"], 3, "it looks up to date");
    assert_ne!(replayed, in_catalog(&scene));
    started(&scene).await;
    assert_eq!(scene.trail().replay().unwrap(), in_catalog(&scene));
    host(&scene).run(&install("grok-llm")).await.unwrap();
    assert_eq!(scene.trail().replay().unwrap(), in_catalog(&scene));
    started(&scene).await;
    assert_eq!(repairs(&scene), 1);
}

#[tokio::test]
async fn a_new_trail_beside_an_old_catalog_begins_with_all_of_it() {
    let scene = Scene::new();
    let first = host(&scene);
    first.run(&install("plain-notes")).await.unwrap();
    first.run(&install("github-tools")).await.unwrap();
    drop(first);
    std::fs::remove_file(scene.path()).unwrap();
    started(&scene).await;
    assert_eq!(scene.trail().replay().unwrap(), in_catalog(&scene));
}

#[tokio::test]
async fn a_trail_that_is_shared_is_mended_too() {
    let scene = Scene::new();
    host(&scene).run(&install("plain-notes")).await.unwrap();
    std::fs::remove_file(scene.path()).unwrap();
    let shared = Arc::new(scene.open());
    let next = Host::builder("next", "1.0.0")
        .state_dir(scene.folder())
        .audit(shared.clone())
        .build()
        .unwrap();
    next.start().await;
    drop((next, shared));
    assert_eq!(scene.trail().replay().unwrap(), in_catalog(&scene));
}

#[tokio::test]
async fn a_catalog_from_a_backup_is_what_the_trail_replays() {
    let scene = Scene::new();
    let (catalog, backup) = (
        scene.folder().join("plugins.json"),
        scene.folder().join("backup"),
    );
    let first = host(&scene);
    first.run(&install("plain-notes")).await.unwrap();
    std::fs::copy(&catalog, &backup).unwrap();
    first.run(&install("github-tools")).await.unwrap();
    drop(first);
    std::fs::copy(&backup, &catalog).unwrap();
    started(&scene).await;
    assert_eq!(scene.trail().replay().unwrap(), in_catalog(&scene));
    host(&scene).run(&install("grok-llm")).await.unwrap();
    assert_eq!(scene.trail().replay().unwrap(), in_catalog(&scene));
}

/// A host may record its change after another has already repaired the trail.
#[test]
fn a_record_that_comes_after_its_repair_changes_nothing() {
    let at = |revision: u64, value: u64| {
        Change::new()
            .set("/keyway", json!({ "revision": revision }))
            .set("/value", json!(value))
    };
    let committed = |revision, value| AuditEvent::OperationCommitted {
        plugin: plugin("notes"),
        operation: "enable".into(),
        by: None,
        revision,
        message: "".into(),
        change: Box::new(at(revision, value)),
    };
    let repaired = AuditEvent::CatalogRepaired {
        what: "behind".into(),
        kept: None,
        change: Box::new(at(2, 2)),
    };
    let events = [
        committed(1, 1),
        repaired,
        committed(3, 3),
        committed(2, 2),
        committed(4, 4),
    ];
    assert_eq!(replay(&events[..4])["value"], 3);
    assert_eq!(replay(&events)["value"], 4);
}
