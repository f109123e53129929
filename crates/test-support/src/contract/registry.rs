//! What every tool registry does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keyway_host::registry::{RegistrySnapshot, ToolRegistry};
use keyway_plugin_api::tool;

use crate::harness::plugin_id;
use crate::{Probe, TestHost};

/// Holds a [`ToolRegistry`] to its contract. `make` makes an empty one.
///
/// # Panics
/// With the rule that does not hold.
pub async fn tool_registry<R: ToolRegistry>(make: impl Fn() -> R) {
    let registry = Arc::new(make());
    assert!(
        registry.snapshot().is_empty(),
        "a new registry must be empty"
    );
    changes_are_seen_and_snapshots_stay(Arc::new(make())).await;
    a_clash_is_reported_and_its_siblings_stay(make()).await;
    a_change_is_seen_as_a_whole(Arc::new(make())).await;
}

async fn host(registry: impl ToolRegistry) -> TestHost {
    let builder = TestHost::builder().plugin(Probe);
    builder
        .configure(|host| host.registry(registry))
        .start()
        .await
}

/// Tools of the probe that are listed: all but the optional one are there to be named.
fn count(snapshot: &RegistrySnapshot) -> usize {
    snapshot.tools_of(&plugin_id(Probe::NAME)).len()
}

async fn changes_are_seen_and_snapshots_stay(registry: Arc<impl ToolRegistry>) {
    let empty = registry.snapshot();
    let host = host(Arc::clone(&registry)).await;
    let full = registry.snapshot();
    assert!(
        full.get("probe/pong").is_some() && count(&full) > 1,
        "what was published must be found by its name"
    );
    assert!(
        full.generation() > empty.generation(),
        "a change must raise the generation"
    );
    assert!(
        empty.is_empty(),
        "a snapshot that was taken must stay what it was"
    );
    let reported = host.report().plugin(Probe::NAME).map(|o| o.is_running());
    assert_eq!(reported, Some(true), "{:?}", host.report());
    host.disable(Probe::NAME).await;
    let after = registry.snapshot();
    assert!(
        after.get("probe/pong").is_none() && count(&after) == 0,
        "what was taken away must not be found"
    );
    assert!(full.get("probe/pong").is_some(), "an old snapshot stays");
}

/// Answers.
#[tool(effect = read)]
fn pong() -> String {
    "the host's own".to_owned()
}

async fn a_clash_is_reported_and_its_siblings_stay(registry: impl ToolRegistry) {
    let host = TestHost::builder()
        .plugin(Probe)
        .configure(|host| host.registry(registry).tool(Pong))
        .start()
        .await;
    let clashes = host
        .report()
        .plugin(Probe::NAME)
        .map(|o| o.clashes.clone())
        .unwrap_or_default();
    assert!(
        clashes.len() == 1 && clashes.iter().all(|c| c.winner == "pong"),
        "a tool that takes a built-in's name must be reported as refused: {clashes:?}"
    );
    let snapshot = host.host().registry();
    assert!(
        snapshot.get("pong").is_some_and(|tool| tool.is_builtin()),
        "the built-in must stay"
    );
    assert!(
        snapshot.get("probe/pong").is_none() && snapshot.get("probe/ask").is_some(),
        "the loser must be out and its siblings in"
    );
}

/// Switches a plugin on and off while another thread looks: it sees all of its tools or none.
async fn a_change_is_seen_as_a_whole(registry: Arc<impl ToolRegistry>) {
    let host = host(Arc::clone(&registry)).await;
    let all = count(&registry.snapshot());
    let done = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (registry, done) = (Arc::clone(&registry), Arc::clone(&done));
        thread::spawn(move || watch(&*registry, all, &done))
    };
    for _ in 0..50 {
        host.disable(Probe::NAME).await;
        host.enable(Probe::NAME).await;
    }
    done.store(true, Ordering::Release);
    match watcher.join() {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => panic!("{problem}"),
        Err(_) => panic!("looking at the registry panicked"),
    }
}

fn watch(registry: &impl ToolRegistry, all: usize, done: &AtomicBool) -> Result<(), String> {
    let mut latest = 0;
    while !done.load(Ordering::Acquire) {
        let snapshot = registry.snapshot();
        let (found, generation) = (count(&snapshot), snapshot.generation());
        if found != 0 && found != all {
            return Err(format!(
                "a change must be seen as a whole: {found} of {all} tools"
            ));
        }
        if generation < latest {
            return Err(format!(
                "snapshots must not go back: {generation} after {latest}"
            ));
        }
        latest = generation;
        thread::yield_now();
    }
    Ok(())
}
