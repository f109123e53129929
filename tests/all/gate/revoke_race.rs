//! Attack C2: calls that race with a revocation, and lists that race with a change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use keyway_host::catalog::Operation;
use keyway_host::operator::OperatorId;
use keyway_plugin_api::PluginId;
use keyway_test_support::TestHost;
use serde_json::json;
use tokio::task::JoinHandle;

use super::plugins::Named;

const ROUNDS: usize = 60;
const CALLERS: usize = 6;

/// What the tool knows of the operator's side.
#[derive(Default)]
struct Watch {
    /// Set after the operation returned.
    is_over: AtomicBool,
    /// Calls that began.
    begun: AtomicUsize,
    /// Calls that began after it returned.
    late: AtomicUsize,
}

impl Watch {
    fn begin(&self) {
        // Nobody orders the two but the host: a call that sees the flag began after the return.
        if self.is_over.load(Ordering::SeqCst) {
            self.late.fetch_add(1, Ordering::SeqCst);
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
    }
}

async fn ticking(watch: &Arc<Watch>) -> Arc<TestHost> {
    let watch = Arc::clone(watch);
    let plugin = Named::new("clock", ["tick"]).on_call(Arc::new(move || watch.begin()));
    Arc::new(TestHost::with(plugin).await)
}

/// Calls as fast as they can until told to stop; each returns how often it was refused.
fn callers(host: &Arc<TestHost>, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<usize>> {
    let caller = |_| {
        let (host, stop) = (Arc::clone(host), Arc::clone(stop));
        tokio::spawn(async move {
            let mut refused = 0;
            while !stop.load(Ordering::Relaxed) {
                refused += usize::from(host.call("clock/tick", json!({})).await.is_err());
                tokio::task::yield_now().await;
            }
            refused
        })
    };
    (0..CALLERS).map(caller).collect()
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

fn clock() -> PluginId {
    PluginId::parse("clock").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s_c2_after_a_revocation_returned_no_call_begins() {
    let mut refusals = 0;
    for round in 0..ROUNDS {
        let watch = Arc::new(Watch::default());
        let host = ticking(&watch).await;
        let stop = Arc::new(AtomicBool::new(false));
        let callers = callers(&host, &stop);
        until(|| watch.begun.load(Ordering::SeqCst) > round).await;
        let revoke = Operation::Revoke {
            plugin: clock(),
            by: OperatorId::host(),
            reason: "a race".to_owned(),
        };
        host.host().run(&revoke).await.unwrap();
        watch.is_over.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            refusals += caller.await.unwrap();
        }
        assert_eq!(watch.late.load(Ordering::SeqCst), 0, "round {round}");
    }
    assert!(refusals >= ROUNDS, "nobody tried afterwards: {refusals}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s_c2_after_a_plugin_was_switched_off_no_call_begins_until_it_is_switched_on() {
    let watch = Arc::new(Watch::default());
    let host = ticking(&watch).await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers = callers(&host, &stop);
    for round in 0..ROUNDS {
        let before = watch.begun.load(Ordering::SeqCst);
        until(|| watch.begun.load(Ordering::SeqCst) > before).await;
        host.disable("clock").await;
        watch.is_over.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        watch.is_over.store(false, Ordering::SeqCst);
        assert_eq!(watch.late.load(Ordering::SeqCst), 0, "round {round}");
        host.enable("clock").await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut refusals = 0;
    for caller in callers {
        refusals += caller.await.unwrap();
    }
    assert!(refusals >= ROUNDS, "nobody tried in between: {refusals}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s_c2_a_list_shows_all_tools_of_a_plugin_or_none() {
    let names: Vec<_> = ('a'..='h').map(|c| format!("tool-{c}")).collect();
    let host = Arc::new(TestHost::with(Named::new("many", names.clone())).await);
    let stop = Arc::new(AtomicBool::new(false));
    let lister = |_| {
        let (host, stop) = (Arc::clone(&host), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut seen = [0_usize; 9];
            while !stop.load(Ordering::Relaxed) {
                // A view of its own each time, so that nothing is remembered.
                let listing = host.view().list();
                let tools = &listing.tools;
                seen[tools.len()] += 1;
                assert!(tools.iter().all(|tool| tool.alias.is_some()), "{listing:?}");
                tokio::task::yield_now().await;
            }
            seen
        })
    };
    let listers: Vec<_> = (0..CALLERS).map(lister).collect();
    for _ in 0..ROUNDS * 3 {
        host.disable("many").await;
        tokio::task::yield_now().await;
        host.enable("many").await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen = [0; 9];
    for lister in listers {
        for (sum, count) in seen.iter_mut().zip(lister.await.unwrap()) {
            *sum += count;
        }
    }
    assert_eq!(seen[1..8], [0; 7], "torn lists: {seen:?}");
    assert!(
        seen[0] > 0 && seen[8] > 0,
        "the race did not take place: {seen:?}"
    );
}

/// A gate that looks once and then acts: between the two, the operator revokes.
#[test]
fn s_c2_control_a_gate_that_looks_only_once_lets_a_call_begin_after_the_revocation() {
    let (is_revoked, begun_late) = (AtomicBool::new(false), AtomicBool::new(false));
    let (has_looked, has_revoked) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let permitted = !is_revoked.load(Ordering::SeqCst);
            has_looked.wait();
            has_revoked.wait();
            if permitted {
                begun_late.store(is_revoked.load(Ordering::SeqCst), Ordering::SeqCst);
            }
        });
        has_looked.wait();
        is_revoked.store(true, Ordering::SeqCst);
        has_revoked.wait();
    });
    assert!(begun_late.load(Ordering::SeqCst));
}
