//! The queue between callers and the writer: short for callers, in batches for the writer.
//!
//! A caller's push is a lock, a move and an unlock. It wakes the writer only when the writer
//! sleeps for good, which it does after a second of quiet; before that it looks by itself.

use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::file::Stamped;
use super::{AuditError, AuditHealth, Head};

/// Events that wait at most; beyond that callers wait while the writer gets somewhere, and
/// events are counted as lost when it does not.
pub(super) const BOUND: usize = 32 * 1024;
/// Events at which the writer is woken before its time.
const HIGH_WATER: usize = 4 * 1024;

/// How long the writer gathers events while there are some, and for how many quiet turns.
const GATHER: (Duration, u32) = (Duration::from_millis(2), 50);
/// The same in the quiet after that; then it sleeps until it is woken.
const LINGER: (Duration, u32) = (Duration::from_millis(20), 50);
/// How long the writer waits before it tries again what failed.
const RETRY: Duration = Duration::from_millis(250);

/// Answers one caller.
pub(super) type Reply<T> = SyncSender<Result<T, AuditError>>;

/// An event on its way, with the caller that waits for it, if one does.
pub(super) struct Item {
    pub(super) stamped: Stamped,
    pub(super) reply: Option<Reply<Head>>,
}

/// What the writer has in hand.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    pub(super) barriers: Vec<Reply<()>>,
    /// Events lost since the trail last said so.
    pub(super) lost: u64,
}

/// What the writer should do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write the batch.
    Write,
    /// Use the quiet to make everything durable.
    Sync,
    /// Write the batch and stop.
    Finish,
}

/// How patient the writer is now.
#[derive(Default)]
pub(super) struct Pace {
    quiet_turns: u32,
    pub(super) failing: bool,
}

pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    room: Condvar,
    /// How long a caller waits for a writer that gets nowhere.
    patience: Duration,
}

struct State {
    items: Vec<Item>,
    barriers: Vec<Reply<()>>,
    writer: Writer,
    /// Whether somebody waits for the writer.
    urgent: bool,
    /// Callers that wait for room.
    crowd: u32,
    /// Pieces written so far: while it grows, the writer gets somewhere.
    progress: u64,
    /// Events that the writer could not write yet.
    held: usize,
    lost: u64,
    trouble: Option<String>,
    closing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Asleep,
    Busy,
    Dozing,
    Gone,
}

impl Queue {
    pub(super) fn new(patience: Duration) -> Self {
        let state = State {
            items: Vec::with_capacity(BOUND),
            barriers: Vec::new(),
            writer: Writer::Busy,
            urgent: false,
            crowd: 0,
            progress: 0,
            held: 0,
            lost: 0,
            trouble: None,
            closing: false,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            room: Condvar::new(),
            patience,
        }
    }

    /// Takes an event that nobody waits for.
    pub(super) fn push(&self, stamped: Stamped) {
        let mut state = self.lock();
        if state.is_full() {
            state = self.wait_for_room(state);
            if state.is_full() {
                state.lost += 1;
                return;
            }
        }
        let reply = None;
        state.items.push(Item { stamped, reply });
        let wake = match state.writer {
            Writer::Asleep => true,
            Writer::Dozing => state.items.len() == HIGH_WATER,
            Writer::Busy | Writer::Gone => false,
        };
        if wake {
            state.writer = Writer::Busy;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Takes an event that a caller waits for; room is always found.
    pub(super) fn push_urgent(&self, item: Item) {
        self.urge(|state| state.items.push(item));
    }

    /// Takes a caller that waits for everything before it.
    pub(super) fn push_barrier(&self, barrier: Reply<()>) {
        self.urge(|state| state.barriers.push(barrier));
    }

    /// Makes the writer finish.
    pub(super) fn close(&self) {
        self.urge(|state| state.closing = true);
    }

    pub(super) fn health(&self) -> AuditHealth {
        let state = self.lock();
        match &state.trouble {
            Some(why) => AuditHealth::failing(why, state.lost),
            None => AuditHealth::Healthy,
        }
    }

    /// Waits for work and adds it to the batch.
    pub(super) fn next(&self, pace: &mut Pace, batch: &mut Batch) -> Step {
        let mut state = self.lock();
        while !state.is_pressing(pace.failing) {
            state = self.doze(state, pace);
            if !state.items.is_empty() || pace.failing {
                break;
            }
            if pace.turn_was_quiet() {
                return Step::Sync;
            }
        }
        pace.quiet_turns = 0;
        self.hand_over(&mut state, batch);
        if state.closing {
            Step::Finish
        } else {
            Step::Write
        }
    }

    /// Notes that the batch was written, but for what is left in it.
    pub(super) fn settle(&self, trouble: Option<String>, held: usize, reported: u64, lost: u64) {
        let mut state = self.lock();
        state.trouble = trouble;
        state.held = held;
        state.lost = state.lost.saturating_sub(reported) + lost;
        if state.crowd > 0 {
            self.room.notify_all();
        }
    }

    /// Notes that a piece of the batch was written.
    pub(super) fn advance(&self) {
        self.lock().progress += 1;
    }

    /// Lets nobody wait for a writer that is gone.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.writer = Writer::Gone;
        state.trouble.get_or_insert_with(|| GONE.to_owned());
        state.lost += state.items.len() as u64;
        state.items.clear();
        state.barriers.clear();
        self.room.notify_all();
    }

    fn urge(&self, act: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        if state.writer == Writer::Gone {
            return;
        }
        act(&mut state);
        state.urgent = true;
        let wake = state.writer != Writer::Busy;
        state.writer = Writer::Busy;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Waits while the writer gets somewhere; one caller finds out for all that it does not.
    fn wait_for_room<'q>(&self, mut state: MutexGuard<'q, State>) -> MutexGuard<'q, State> {
        state.crowd += 1;
        while state.is_full() && state.trouble.is_none() {
            let progress = state.progress;
            let waited = self.room.wait_timeout(state, self.patience);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() && state.progress == progress {
                state.trouble = Some(STUCK.to_owned());
            }
        }
        state.crowd -= 1;
        state
    }

    fn doze<'q>(&self, mut state: MutexGuard<'q, State>, pace: &Pace) -> MutexGuard<'q, State> {
        let patience = pace.patience();
        if patience.is_none() && !state.items.is_empty() {
            return state;
        }
        state.writer = patience.map_or(Writer::Asleep, |_| Writer::Dozing);
        let mut state = match patience {
            Some(time) => {
                let (state, _) = self
                    .wake
                    .wait_timeout(state, time)
                    .unwrap_or_else(PoisonError::into_inner);
                state
            }
            None => self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
        };
        state.writer = Writer::Busy;
        state
    }

    fn hand_over(&self, state: &mut State, batch: &mut Batch) {
        if batch.items.is_empty() {
            std::mem::swap(&mut batch.items, &mut state.items);
        } else {
            batch.items.append(&mut state.items);
        }
        batch.barriers.append(&mut state.barriers);
        if state.trouble.is_some() {
            // Until it is known to be written, a batch being tried again takes up room.
            state.held = batch.items.len();
        }
        batch.lost = state.lost;
        state.urgent = false;
        if state.crowd > 0 {
            self.room.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.writer == Writer::Gone || self.items.len() + self.held >= BOUND
    }

    fn is_pressing(&self, failing: bool) -> bool {
        self.urgent || self.closing || (!failing && self.items.len() >= HIGH_WATER)
    }
}

impl Pace {
    fn patience(&self) -> Option<Duration> {
        if self.failing {
            return Some(RETRY);
        }
        match self.quiet_turns {
            n if n < GATHER.1 => Some(GATHER.0),
            n if n < GATHER.1 + LINGER.1 => Some(LINGER.0),
            _ => None,
        }
    }

    /// Counts a quiet turn; tells whether it is time to make everything durable.
    fn turn_was_quiet(&mut self) -> bool {
        self.quiet_turns = self.quiet_turns.saturating_add(1);
        self.quiet_turns == GATHER.1
    }
}

const STUCK: &str = "the disk does not answer";
const GONE: &str = "its writer has stopped";
