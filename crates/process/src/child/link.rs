//! The open channel to one process: requests go out, answers find who waits for them.
//!
//! Everything that changes together is under one short lock that is never held across an await.
//! A lone request is written at once by whoever makes it; with more of them under way one task
//! writes what has gathered, so that many small messages cost one system call.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyway_channel::frame::FrameError;
use keyway_channel::message::{
    FromHost, HostRequest, HostRequestId, ProtocolError, RawAnswer, Refusal, RpcError, ToolCallRef,
};
use keyway_channel::{ChannelLimits, InFlight};
use keyway_plugin_api::{CallCx, ToolName};
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::asking::{Answer, Asking};

/// Bytes that wait to be written before senders wait too.
const OUT_MAX: usize = 4 * 1024 * 1024;
/// What the buffer keeps when it is empty.
const OUT_KEPT: usize = 256 * 1024;

/// The open channel to one process.
pub(crate) struct Link {
    pub(super) sending: OwnedWriteHalf,
    pub(super) limits: ChannelLimits,
    state: Mutex<State>,
    /// There is something to write.
    pub(super) wake: Notify,
    /// There is room again, in the buffer or among the requests.
    room: Notify,
    /// A call was cancelled.
    pub(crate) cancelled: Notify,
    began: Instant,
    heard_ms: AtomicU64,
    closed: watch::Sender<Option<Arc<Closed>>>,
}

struct State {
    /// Who waits for an answer; `None` where nobody does any more.
    waiting: InFlight<Option<oneshot::Sender<Answer>>>,
    /// Calls that were cancelled and are not answered, by the number of their request.
    cancelled: HashMap<u64, Cancelled>,
    live: HashMap<u64, Live>,
    /// Requests of the plugin that are not answered.
    asked: HashSet<u64>,
    out: Vec<u8>,
    is_writing: bool,
}

/// A call whose tool was told to stop.
struct Cancelled {
    at: Instant,
    is_counted: bool,
}

/// A call that runs in the plugin.
struct Live {
    cx: CallCx,
    tool: ToolName,
}

/// How a channel ended, and what was under way then.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) how: Ending,
    /// The tool that ran, where exactly one did.
    pub(crate) alone: Option<ToolName>,
    /// Numbers of the calls that ran.
    pub(crate) calls: Vec<u64>,
}

/// How a channel ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The host closed it.
    Host,
    /// The peer's end is closed.
    Peer,
    /// The peer broke the protocol.
    Violation {
        /// The stable code.
        code: &'static str,
        /// What it did.
        problem: String,
    },
}

impl From<ProtocolError> for Ending {
    fn from(error: ProtocolError) -> Self {
        Self::Violation {
            code: error.code(),
            problem: error.to_string(),
        }
    }
}

/// Says that a request got no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It was never sent.
    NotSent,
    /// Too many wait already.
    Overloaded,
    /// It was sent, and the process went away.
    Sent,
    /// It does not fit into a message.
    Unsendable(FrameError),
}

impl Link {
    pub(super) fn new(sending: OwnedWriteHalf, limits: ChannelLimits, last_id: u64) -> Arc<Self> {
        Arc::new(Self {
            sending,
            limits,
            state: Mutex::new(State {
                waiting: InFlight::after(limits.inflight, last_id),
                cancelled: HashMap::new(),
                live: HashMap::new(),
                asked: HashSet::new(),
                out: Vec::new(),
                is_writing: false,
            }),
            wake: Notify::new(),
            room: Notify::new(),
            cancelled: Notify::new(),
            began: Instant::now(),
            heard_ms: AtomicU64::new(0),
            closed: watch::Sender::new(None),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a tool and waits for its answer. Dropping the future cancels the call.
    pub(crate) async fn call(
        &self,
        call: ToolCallRef<'_>,
        cx: &CallCx,
        tool: &ToolName,
    ) -> Result<Answer, Lost> {
        let number = call.call;
        let (id, answer) = self.begin(Asking::Call(call, cx, tool)).await?;
        let mut sent = Sent {
            link: self,
            id,
            call: Some(number),
            is_over: false,
        };
        let answer = answer.await;
        sent.is_over = true;
        self.end_call(number);
        answer.map_err(|_| Lost::Sent)
    }

    /// Asks for something that is no call, and waits for the answer as one of the bounded number.
    pub(crate) async fn ask(&self, request: HostRequest) -> Result<RawAnswer, Lost> {
        let (id, answer) = loop {
            let room = self.room.notified();
            match self.begin(Asking::Other(&request)).await {
                Err(Lost::Overloaded) => room.await,
                other => break other?,
            }
        };
        let mut sent = Sent {
            link: self,
            id,
            call: None,
            is_over: false,
        };
        let answer = answer.await;
        sent.is_over = true;
        answer.map(Answer::into_raw).map_err(|_| Lost::Sent)
    }

    /// Asks for something that must not wait behind calls: a ping, a drain, a shutdown.
    pub(crate) fn control(&self, request: &HostRequest) -> Result<oneshot::Receiver<Answer>, Lost> {
        let mut state = self.state();
        if self.is_closed() {
            return Err(Lost::NotSent);
        }
        let (reply, answer) = oneshot::channel();
        let id = state.waiting.begin_control(Some(reply));
        self.write(&mut state, |limits, out| {
            request.encode(HostRequestId(id), limits, out)
        })
        .map_err(Lost::Unsendable)?;
        Ok(answer)
    }

    async fn begin(&self, asking: Asking<'_>) -> Result<(u64, oneshot::Receiver<Answer>), Lost> {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state();
                if self.is_closed() {
                    return Err(Lost::NotSent);
                }
                if state.out.len() < OUT_MAX {
                    return self.enter(&mut state, asking);
                }
            }
            room.await;
        }
    }

    fn enter(
        &self,
        state: &mut State,
        asking: Asking<'_>,
    ) -> Result<(u64, oneshot::Receiver<Answer>), Lost> {
        let (reply, answer) = oneshot::channel();
        let id = state
            .waiting
            .begin(Some(reply))
            .map_err(|_| Lost::Overloaded)?;
        if let Err(error) = self.write(state, |limits, out| asking.encode(id, limits, out)) {
            drop(state.waiting.end(id));
            return Err(Lost::Unsendable(error));
        }
        // Under the same lock as the write, so before anything that the call asks for is read.
        if let Asking::Call(call, cx, tool) = asking {
            let (cx, tool) = (cx.clone(), tool.clone());
            state.live.insert(call.call, Live { cx, tool });
        }
        Ok((id, answer))
    }

    /// Puts a message into the buffer, and onto the wire if nothing else is on its way.
    fn write(
        &self,
        state: &mut State,
        encode: impl FnOnce(ChannelLimits, &mut Vec<u8>) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        let is_first = state.out.is_empty() && !state.is_writing;
        encode(self.limits, &mut state.out)?;
        if is_first && state.waiting.len() <= 1 {
            // What does not go now is left to the writer, which sees an error as well.
            if let Ok(count) = self.sending.try_write(&state.out) {
                state.out.drain(..count);
            }
        }
        if !state.out.is_empty() {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Answers a request of the plugin once there is room in the buffer.
    pub(super) async fn answer(&self, message: FromHost, id: u64) {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state();
                if self.is_closed() {
                    return;
                }
                if state.out.len() < OUT_MAX {
                    state.asked.remove(&id);
                    self.write_or_say_why(&mut state, &message);
                    return;
                }
            }
            room.await;
        }
    }

    fn write_or_say_why(&self, state: &mut State, message: &FromHost) {
        let Err(error) = self.write(state, |limits, out| message.encode(limits, out)) else {
            return;
        };
        let FromHost::Answer { id, .. } = message else {
            return;
        };
        let error = RpcError::refused(Refusal::FrameTooLarge, error.to_string());
        let short = FromHost::Answer {
            id: *id,
            answer: Err(error),
        };
        drop(self.write(state, |limits, out| short.encode(limits, out)));
    }

    /// Gives the writer what has gathered; `None` when there is nothing.
    pub(super) fn take_out(&self, mut spent: Vec<u8>) -> Option<Vec<u8>> {
        let mut state = self.state();
        spent.clear();
        spent.shrink_to(OUT_KEPT);
        state.is_writing = !state.out.is_empty();
        if !state.is_writing {
            state.out = match state.out.capacity() < spent.capacity() {
                true => spent,
                false => std::mem::take(&mut state.out),
            };
            return None;
        }
        let taken = std::mem::replace(&mut state.out, spent);
        drop(state);
        self.room.notify_waiters();
        Some(taken)
    }

    /// Hands an answer to who waits for it.
    pub(super) fn answered(&self, id: u64, answer: Answer) -> Result<(), ProtocolError> {
        let mut state = self.state();
        let waiting = state.waiting.end(id)?;
        if waiting.is_none() {
            state.cancelled.remove(&id);
        }
        let has_waiters = state.waiting.len() + 1 >= self.limits.inflight;
        drop(state);
        if has_waiters {
            self.room.notify_waiters();
        }
        if let Some(reply) = waiting {
            // Whoever asked may have gone in this moment.
            drop(reply.send(answer));
        }
        Ok(())
    }

    /// Notes a request of the plugin; a number that is under way already breaks the protocol.
    pub(super) fn asked(&self, id: u64) -> Result<Asked, Ending> {
        let mut state = self.state();
        if !state.asked.insert(id) {
            return Err(Ending::Violation {
                code: "REQUEST_REPEATED",
                problem: format!("the peer used the number p{id} for two requests at once"),
            });
        }
        match state.asked.len() > self.limits.inflight {
            true => Ok(Asked::Overloaded),
            false => Ok(Asked::Taken),
        }
    }

    /// Returns the context of a call that runs now.
    pub(super) fn live(&self, call: u64) -> Option<CallCx> {
        self.state().live.get(&call).map(|live| live.cx.clone())
    }

    fn end_call(&self, number: u64) {
        self.state().live.remove(&number);
    }

    /// Nobody waits for a call any more: the plugin is told, and its answer will be dropped.
    fn give_up(&self, id: u64, call: Option<u64>) {
        let mut state = self.state();
        call.map(|call| state.live.remove(&call));
        let Some(waiting) = state.waiting.get_mut(id) else {
            return;
        };
        *waiting = None;
        if let Some(call) = call {
            let (at, is_counted) = (Instant::now(), false);
            state.cancelled.insert(id, Cancelled { at, is_counted });
            // It is short, and there is no room only in a channel that is about to be closed.
            let cancelled = FromHost::Cancelled { call };
            drop(self.write(&mut state, |limits, out| cancelled.encode(limits, out)));
            self.cancelled.notify_one();
        }
    }

    /// Counts the calls that went on for longer than `grace` after they were cancelled; each once.
    pub(crate) fn ignored_cancels(&self, grace: Duration) -> usize {
        let now = Instant::now();
        let mut state = self.state();
        let overdue = state
            .cancelled
            .values_mut()
            .filter(|cancelled| !cancelled.is_counted && now.duration_since(cancelled.at) >= grace);
        overdue.map(|cancelled| cancelled.is_counted = true).count()
    }

    /// Returns when the next cancelled call will have gone on for longer than `grace`.
    pub(crate) fn next_overdue(&self, grace: Duration) -> Option<Instant> {
        let state = self.state();
        let waiting = state
            .cancelled
            .values()
            .filter(|cancelled| !cancelled.is_counted);
        waiting.map(|cancelled| cancelled.at + grace).min()
    }

    /// Closes the channel; every call in it fails now. The first reason counts.
    pub(crate) fn close(&self, how: Ending) {
        let mut state = self.state();
        if self.is_closed() {
            return;
        }
        let mut calls: Vec<u64> = state.live.keys().copied().collect();
        calls.sort_unstable();
        let mut tools = state.live.values();
        let alone = match (tools.next(), tools.next()) {
            (Some(live), None) => Some(live.tool.clone()),
            _ => None,
        };
        let closed = Arc::new(Closed { how, alone, calls });
        state.live.clear();
        state.out = Vec::new();
        let waiting: Vec<_> = state.waiting.drain().collect();
        self.closed.send_replace(Some(closed));
        drop(state);
        // Who waits learns that nothing comes.
        drop(waiting);
        self.room.notify_waiters();
        self.wake.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.borrow().is_some()
    }

    /// Returns how the channel ended, where it has.
    pub(crate) fn ending(&self) -> Option<Arc<Closed>> {
        self.closed.borrow().clone()
    }

    /// Waits until the channel has ended.
    pub(crate) async fn ended(&self) -> Arc<Closed> {
        let mut closed = self.closed.subscribe();
        loop {
            if let Some(closed) = closed.borrow_and_update().clone() {
                return closed;
            }
            if closed.changed().await.is_err() {
                // The sender is in `self`, so this is not reached.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Notes a sign of life.
    pub(super) fn heard(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(now, Ordering::Relaxed);
    }

    /// Returns when the last sign of life came.
    pub(crate) fn last_heard(&self) -> Instant {
        self.began + Duration::from_millis(self.heard_ms.load(Ordering::Relaxed))
    }

    /// Tells whether the plugin has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.asked.is_empty()
    }
}

/// What becomes of a request of the plugin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Too many are under way.
    Overloaded,
    /// It is done.
    Taken,
}

/// A request that was sent. Dropping it before its answer came gives it up.
struct Sent<'a> {
    link: &'a Link,
    id: u64,
    call: Option<u64>,
    is_over: bool,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.link.give_up(self.id, self.call);
        }
    }
}
