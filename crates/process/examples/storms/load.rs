//! Calls of many callers without end, and how they ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyway_host::view::View;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::site::{Site, name};

pub(crate) const CALLERS: usize = 8;
/// A call that takes longer hangs; it is longer than the limit of a call.
pub(crate) const HUNG: Duration = Duration::from_secs(65);

/// How often calls ended in which way.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Callers that do not pause.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Counts>>,
}

impl Load {
    pub(crate) fn start(site: &Site, plugins: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let callers = (0..CALLERS).map(|number| {
            let (view, is_over) = (site.view(), Arc::clone(&is_over));
            tokio::spawn(call(view, (number, plugins), is_over))
        });
        let callers = callers.collect();
        Self { is_over, callers }
    }

    /// Ends the callers and returns how often calls ended in which way.
    pub(crate) async fn end(self) -> Outcome<Counts> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Counts::new();
        for caller in self.callers {
            for (how, count) in caller.await? {
                *all.entry(how).or_default() += count;
            }
        }
        Ok(all)
    }
}

async fn call(view: View, (first, plugins): (usize, usize), is_over: Arc<AtomicBool>) -> Counts {
    let (mut turn, mut counts) = (first, Counts::new());
    while !is_over.load(Ordering::Relaxed) {
        let tool = ["echo", "sleep"][turn / plugins % 2];
        let tool = format!("{}/{tool}", name(turn % plugins));
        turn += 1;
        let ended = timeout(HUNG, view.call(&tool, r#"{"ms":5}"#)).await;
        let how = match &ended {
            Ok(Ok(_)) => "answered",
            Ok(Err(error)) => error.code(),
            Err(_) => "hung",
        };
        *counts.entry(how.to_owned()).or_default() += 1;
        if how != "answered" {
            sleep(Duration::from_millis(1)).await;
        }
    }
    counts
}

/// How often calls ended so.
pub(crate) fn count(counts: &Counts, how: &str) -> u64 {
    counts.get(how).copied().unwrap_or_default()
}
