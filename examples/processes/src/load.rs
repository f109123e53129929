//! Calls without end, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_host::view::View;
use tokio::task::JoinHandle;

/// Callers that go on until they are asked for the result.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<BTreeMap<String, usize>>>,
}

impl Load {
    /// Starts callers of one tool.
    pub(crate) fn on(view: impl Fn() -> View, tool: &'static str, arguments: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let callers =
            (0..4).map(|_| tokio::spawn(call(view(), tool, arguments, Arc::clone(&stop))));
        Self {
            callers: callers.collect(),
            stop,
        }
    }

    /// Stops the callers and says how their calls ended: by code, with how many.
    pub(crate) async fn end(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::<String, usize>::new();
        for caller in self.callers {
            for (code, count) in caller.await.unwrap_or_default() {
                *all.entry(code).or_default() += count;
            }
        }
        let parts = all.iter().map(|(code, count)| format!("{count} {code}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}

async fn call(
    view: View,
    tool: &str,
    arguments: &str,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, usize> {
    let mut ended = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let code = match view.call(tool, arguments).await {
            Ok(_) => "ok".to_owned(),
            Err(error) => {
                // A plugin that is away is not asked a thousand times a second.
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                error.code().to_owned()
            }
        };
        *ended.entry(code).or_default() += 1;
    }
    ended
}
