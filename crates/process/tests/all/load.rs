//! Calls without end, and how they ended; measured times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keyway_host::view::View;
use keyway_test_support::TestHost;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::eventually;

/// Callers that call without end.
pub(crate) struct Load {
    shared: Arc<Shared>,
    callers: Vec<JoinHandle<Calls>>,
}

/// What callers are told, and what can be seen of them meanwhile.
#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicUsize,
    failed: AtomicUsize,
}

/// How calls ended.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) answered: usize,
    /// Calls that failed, by the code.
    pub(crate) failed: BTreeMap<&'static str, usize>,
    pub(crate) longest: Duration,
}

impl Load {
    /// Starts one caller for each tool.
    pub(crate) fn start(host: &TestHost, tools: &[&str]) -> Self {
        let shared = Arc::new(Shared::default());
        let callers = tools.iter().map(|tool| {
            let caller = call(host.view(), (*tool).to_owned(), Arc::clone(&shared));
            tokio::spawn(caller)
        });
        let callers = callers.collect();
        Self { shared, callers }
    }

    /// Waits until one more call has been answered.
    pub(crate) async fn is_answered(&self) {
        self.is_more("a call is answered", &self.shared.answered)
            .await;
    }

    /// Waits until one more call has failed.
    pub(crate) async fn is_refused(&self) {
        self.is_more("a call fails", &self.shared.failed).await;
    }

    async fn is_more(&self, what: &str, counted: &AtomicUsize) {
        let before = counted.load(Ordering::Relaxed);
        eventually(what, || counted.load(Ordering::Relaxed) > before).await;
    }

    pub(crate) async fn end(self) -> Calls {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut all = Calls::default();
        for caller in self.callers {
            let calls = caller.await.unwrap();
            all.answered += calls.answered;
            all.longest = all.longest.max(calls.longest);
            for (code, count) in calls.failed {
                *all.failed.entry(code).or_default() += count;
            }
        }
        all
    }
}

async fn call(view: View, tool: String, shared: Arc<Shared>) -> Calls {
    let mut calls = Calls::default();
    while !shared.is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let called = view.call(&tool, r#"{"ms":20}"#).await;
        calls.longest = calls.longest.max(began.elapsed());
        match called {
            Ok(_) => {
                calls.answered += 1;
                shared.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                shared.failed.fetch_add(1, Ordering::Relaxed);
                *calls.failed.entry(error.code()).or_default() += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    calls
}

/// Measured times, in order.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Returns the smallest time that so many of a hundred do not exceed.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Calls a tool that has to answer, at a pace of a call in 5 ms, until it is over and so often at
/// least.
pub(crate) async fn paced(view: &View, tool: &str, least: usize, over: &AtomicBool) -> Times {
    let mut times = Vec::new();
    while times.len() < least || !over.load(Ordering::Relaxed) {
        let began = Instant::now();
        view.call(tool, "{}").await.unwrap();
        times.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Times::of(times)
}
