//! Attack C2: calls that race with a revocation, and lists that race with a change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use keyway_host::catalog::Operation;
use keyway_host::operator::OperatorId;
use keyway_plugin_api::PluginId;
use keyway_test_support::TestHost;
use serde_json::json;
use tokio::task::JoinHandle;

use super::plugins::Named;
use crate::support::until;

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

/// Calls as fast as they can until told to stop.
struct Callers {
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Callers {
    fn of(host: &Arc<TestHost>) -> Self {
        let (stop, refused) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let caller = |_| {
            let (host, stop, refused) = (Arc::clone(host), Arc::clone(&stop), Arc::clone(&refused));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let called = host.call("clock/tick", json!({})).await;
                    refused.fetch_add(usize::from(called.is_err()), Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            })
        };
        let tasks = (0..CALLERS).map(caller).collect();
        Self {
            stop,
            refused,
            tasks,
        }
    }

    /// Waits until calls have been refused, as many as there are callers: a refusal that was on its
    /// way comes once for each, so somebody tried meanwhile.
    async fn are_refused(&self) {
        let before = self.refused.load(Ordering::SeqCst);
        until(|| self.refused.load(Ordering::SeqCst) > before + CALLERS).await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

fn clock() -> PluginId {
    PluginId::parse("clock").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s_c2_after_a_revocation_returned_no_call_begins() {
    for round in 0..ROUNDS {
        let watch = Arc::new(Watch::default());
        let host = ticking(&watch).await;
        let callers = Callers::of(&host);
        until(|| watch.begun.load(Ordering::SeqCst) > round).await;
        let revoke = Operation::Revoke {
            plugin: clock(),
            by: OperatorId::host(),
            reason: "a race".to_owned(),
        };
        host.host().run(&revoke).await.unwrap();
        watch.is_over.store(true, Ordering::SeqCst);
        callers.are_refused().await;
        callers.end().await;
        assert_eq!(watch.late.load(Ordering::SeqCst), 0, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s_c2_after_a_plugin_was_switched_off_no_call_begins_until_it_is_switched_on() {
    let watch = Arc::new(Watch::default());
    let host = ticking(&watch).await;
    let callers = Callers::of(&host);
    for round in 0..ROUNDS {
        let before = watch.begun.load(Ordering::SeqCst);
        until(|| watch.begun.load(Ordering::SeqCst) > before).await;
        host.disable("clock").await;
        watch.is_over.store(true, Ordering::SeqCst);
        callers.are_refused().await;
        watch.is_over.store(false, Ordering::SeqCst);
        assert_eq!(watch.late.load(Ordering::SeqCst), 0, "round {round}");
        host.enable("clock").await;
    }
    callers.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s_c2_a_list_shows_all_tools_of_a_plugin_or_none() {
    let names: Vec<_> = ('a'..='h').map(|c| format!("tool-{c}")).collect();
    let host = Arc::new(TestHost::with(Named::new("many", names.clone())).await);
    let stop = Arc::new(AtomicBool::new(false));
    let seen: Arc<[AtomicUsize; 9]> = Arc::default();
    let lister = |_| {
        let (host, stop, seen) = (Arc::clone(&host), Arc::clone(&stop), Arc::clone(&seen));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                // A view of its own each time, so that nothing is remembered.
                let listing = host.view().list();
                let tools = &listing.tools;
                seen[tools.len()].fetch_add(1, Ordering::SeqCst);
                assert!(tools.iter().all(|tool| tool.alias.is_some()), "{listing:?}");
                tokio::task::yield_now().await;
            }
        })
    };
    let listers: Vec<_> = (0..CALLERS).map(lister).collect();
    for _ in 0..ROUNDS * 3 {
        host.disable("many").await;
        tokio::task::yield_now().await;
        host.enable("many").await;
    }
    // The race took place: listers saw both.
    let is_seen = |count: usize| {
        let before = seen[count].load(Ordering::SeqCst);
        let seen = Arc::clone(&seen);
        until(move || seen[count].load(Ordering::SeqCst) > before)
    };
    is_seen(8).await;
    host.disable("many").await;
    is_seen(0).await;
    stop.store(true, Ordering::Relaxed);
    for lister in listers {
        lister.await.unwrap();
    }
    let torn = (1..8).map(|count| seen[count].load(Ordering::SeqCst));
    assert_eq!(torn.sum::<usize>(), 0, "torn lists: {seen:?}");
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
