//! What is under way: calls by their number, hooks by count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyway_channel::message::{Pong, Refusal, RpcError};
use keyway_plugin_api::CallGuard;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Everything that is under way, bounded.
pub(crate) struct Calls {
    table: Mutex<Table>,
    idle: Notify,
    limit: usize,
}

#[derive(Default)]
struct Table {
    running: HashMap<u64, Running>,
    /// What runs, and what has run and has no answer yet.
    unanswered: usize,
    last: u64,
    is_draining: bool,
}

struct Running {
    since: Instant,
    /// The host's number of the call and what cancels it; `None` for a hook.
    call: Option<(u64, Arc<CallGuard>)>,
}

/// A place among what is under way, held until its answer is sent.
pub(crate) struct Place {
    calls: Arc<Calls>,
    number: u64,
}

impl Calls {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::default(),
            idle: Notify::new(),
            limit,
        })
    }

    /// Takes a place, or says why there is none.
    pub(crate) fn enter(
        self: &Arc<Self>,
        call: Option<(u64, CallGuard)>,
    ) -> Result<Place, RpcError> {
        let mut table = self.table();
        if table.is_draining {
            let message = "this plugin is about to stop";
            return Err(RpcError::refused(Refusal::Draining, message));
        }
        if table.running.len() >= self.limit {
            let message = format!("{} calls are under way", self.limit);
            return Err(RpcError::refused(Refusal::Overloaded, message));
        }
        table.last += 1;
        let number = table.last;
        let call = call.map(|(call, guard)| (call, Arc::new(guard)));
        let since = Instant::now();
        table.unanswered += 1;
        table.running.insert(number, Running { since, call });
        Ok(Place {
            calls: Arc::clone(self),
            number,
        })
    }

    /// Tells a call that nobody waits for it. A call that has ended is no error.
    pub(crate) fn cancel(&self, call: u64) {
        for guard in self.guards(|number| number == call) {
            guard.cancel();
        }
    }

    /// Tells every call that nobody waits for it.
    pub(crate) fn cancel_all(&self) {
        for guard in self.guards(|_| true) {
            guard.cancel();
        }
    }

    fn guards(&self, wanted: impl Fn(u64) -> bool) -> Vec<Arc<CallGuard>> {
        let table = self.table();
        let calls = table.running.values().filter_map(|r| r.call.as_ref());
        let calls = calls.filter(|(number, _)| wanted(*number));
        calls.map(|(_, guard)| Arc::clone(guard)).collect()
    }

    /// Returns how busy the plugin is.
    pub(crate) fn pong(&self) -> Pong {
        let table = self.table();
        let oldest = table.running.values().map(|r| r.since).min();
        let oldest_ms = oldest.map_or(0, |since| since.elapsed().as_millis());
        Pong {
            inflight: u32::try_from(table.running.len()).unwrap_or(u32::MAX),
            oldest_ms: u64::try_from(oldest_ms).unwrap_or(u64::MAX),
        }
    }

    /// Takes nothing new from now on.
    pub(crate) fn close(&self) {
        self.table().is_draining = true;
    }

    /// Waits until nothing is under way and every answer is sent.
    pub(crate) async fn idle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            // Waits from here on, so that a last call that ends now is not missed.
            idle.as_mut().enable();
            if self.table().unanswered == 0 {
                return;
            }
            idle.await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Ends the call and frees the place. Comes before the answer: a host that has it may send the
    /// next call at once.
    pub(crate) fn end(&self) {
        let ended = self.calls.table().running.remove(&self.number);
        // Wakes whoever waits for the cancellation, outside the lock.
        drop(ended);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end();
        let mut table = self.calls.table();
        table.unanswered -= 1;
        let is_idle = table.unanswered == 0;
        drop(table);
        if is_idle {
            self.calls.idle.notify_waiters();
        }
    }
}
