//! The plugin's requests to its host: sent on the channel, waited for, bounded by the deadline.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyway_channel::message::{FromPlugin, PluginRequestId, ProtocolError, RawAnswer, ReplyShape};
use keyway_channel::{ChannelLimits, InFlight};
use keyway_plugin_api::{
    CallCx, CallGuard, CallInfo, EffectReply, EffectRequest, HostServices, PluginId, ToolError,
    ToolErrorKind, async_trait,
};
use tokio::sync::{Semaphore, oneshot};

use crate::writer::{Unsent, Writer};

/// Requests that wait for the host.
pub(crate) struct Requests {
    writer: Writer,
    waiting: Mutex<InFlight<oneshot::Sender<RawAnswer>>>,
    /// One permit a request: beyond the limit of the channel a request waits its turn.
    turns: Semaphore,
}

impl Requests {
    pub(crate) fn new(writer: Writer, limits: ChannelLimits) -> Arc<Self> {
        Arc::new(Self {
            writer,
            waiting: Mutex::new(InFlight::new(limits.inflight)),
            turns: Semaphore::new(limits.inflight),
        })
    }

    /// Hands an answer to whoever asked.
    pub(crate) fn answered(
        &self,
        id: PluginRequestId,
        answer: RawAnswer,
    ) -> Result<(), ProtocolError> {
        let asked = self.waiting().end(id.0)?;
        // Nobody listens when the call's time was up.
        drop(asked.send(answer));
        Ok(())
    }

    /// Says to everybody who waits that the host is gone.
    pub(crate) fn abandon(&self) {
        self.turns.close();
        self.waiting().drain().for_each(drop);
    }

    fn waiting(&self) -> MutexGuard<'_, InFlight<oneshot::Sender<RawAnswer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends something that needs no answer.
    fn say(&self, call: Option<u64>, effect: EffectRequest) -> Result<EffectReply, ToolError> {
        let sent = self.writer.send(&FromPlugin::Notice { call, effect });
        sent.map(|()| EffectReply::Done).map_err(as_tool_error)
    }

    /// Sends a request and waits for its answer. Runs as a task of its own, to its end: a request
    /// that its caller gives up on keeps its number until the host has answered.
    async fn ask(
        self: Arc<Self>,
        call: Option<u64>,
        effect: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        let _turn = self.turns.acquire().await.map_err(|_| gone())?;
        let shape = ReplyShape::of(&effect);
        let (tell, answered) = oneshot::channel();
        let number = self.waiting().begin(tell);
        let number =
            number.map_err(|e| ToolError::new(ToolErrorKind::Unavailable, e.to_string()))?;
        let id = PluginRequestId(number);
        let request = FromPlugin::Request { id, call, effect };
        if let Err(unsent) = self.writer.send(&request) {
            // It was never sent, so no answer can come.
            drop(self.waiting().end(number));
            return Err(as_tool_error(unsent));
        }
        match answered.await.map_err(|_| gone())? {
            Ok(result) => shape
                .read(&result)
                .map_err(|e| ToolError::internal(format!("the host's answer {e}"))),
            Err(error) => Err(error.to_tool_error()),
        }
    }
}

/// What the plugin asks through outside calls, until it stops.
pub(crate) struct Background {
    cx: CallCx,
    guard: CallGuard,
}

impl Background {
    pub(crate) fn new(plugin: &PluginId, requests: &Arc<Requests>) -> Self {
        let info = CallInfo::new(0, plugin.clone(), "".into(), "".into());
        let services = BackgroundServices(Arc::clone(requests));
        let (cx, guard) = CallCx::begin(info, Arc::new(services));
        Self { cx, guard }
    }

    pub(crate) fn cx(&self) -> CallCx {
        self.cx.clone()
    }

    /// Tells whoever works by himself to end.
    pub(crate) fn cancel(&self) {
        self.guard.cancel();
    }
}

/// The host as the plugin sees it outside calls.
struct BackgroundServices(Arc<Requests>);

#[async_trait]
impl HostServices for BackgroundServices {
    async fn perform(
        &self,
        call: &CallInfo,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        perform(&self.0, (None, call.deadline_ms), request).await
    }
}

/// The host as the plugin's tools see it.
pub(crate) struct ChannelServices(pub(crate) Arc<Requests>);

#[async_trait]
impl HostServices for ChannelServices {
    async fn perform(
        &self,
        call: &CallInfo,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        perform(&self.0, (Some(call.id), call.deadline_ms), request).await
    }
}

async fn perform(
    requests: &Arc<Requests>,
    (call, deadline_ms): (Option<u64>, i64),
    request: EffectRequest,
) -> Result<EffectReply, ToolError> {
    if let EffectRequest::Log { .. } | EffectRequest::Progress { .. } = request {
        return requests.say(call, request);
    }
    let asking = tokio::spawn(Arc::clone(requests).ask(call, request));
    let answered = tokio::time::timeout(remaining(deadline_ms), asking).await;
    match answered {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(gone()),
        Err(_) => Err(ToolError::new(
            ToolErrorKind::DeadlineExceeded,
            "the call's time was up before the host answered",
        )),
    }
}

/// Returns how long a call may still take. Deadlines are Unix time, the same for host and child.
fn remaining(deadline_ms: i64) -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "a child has no clock but the machine's; its host injects none over the channel"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.map_or(0, |now| now.as_millis());
    let deadline_ms = u128::try_from(deadline_ms).unwrap_or(0);
    let left = deadline_ms.saturating_sub(now_ms);
    // A year is as good as never, and timers cannot hold more.
    let year = 365 * 24 * 60 * 60 * 1_000;
    Duration::from_millis(u64::try_from(left).unwrap_or(year).min(year))
}

fn gone() -> ToolError {
    ToolError::new(ToolErrorKind::PluginGone, "the host has closed the channel")
}

fn as_tool_error(unsent: Unsent) -> ToolError {
    match unsent {
        Unsent::Gone => gone(),
        Unsent::Unfit(error) => ToolError::invalid_arguments(error.to_string()),
    }
}
