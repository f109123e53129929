//! What a running call can reach: who calls, how long it may take, and the host behind it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;

use crate::{EffectReply, EffectRequest, PluginId, ToolError, ToolErrorKind};

/// The host as a plugin sees it: one door for every effect.
///
/// A host runtime implements it; the gate stands behind it, whatever the runtime.
#[async_trait]
pub trait HostServices: Send + Sync + 'static {
    /// Asks the gate and, if it permits, performs.
    ///
    /// # Errors
    /// [`ToolErrorKind::Denied`] with the missing grant; otherwise what went wrong outside.
    async fn perform(
        &self,
        call: &CallInfo,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError>;
}

/// Facts about one live call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallInfo {
    /// Number of the call, unique while the host runs.
    pub id: u64,
    /// The plugin that owns the tool.
    pub plugin: PluginId,
    /// The tool's name inside its plugin.
    pub tool: Arc<str>,
    /// The agent that called, as `organisation/team/agent`.
    pub caller: Arc<str>,
    /// When the call must have ended, in Unix milliseconds; `i64::MAX` for never.
    pub deadline_ms: i64,
}

impl CallInfo {
    /// Makes the facts of a call with no deadline.
    #[must_use]
    pub fn new(id: u64, plugin: PluginId, tool: Arc<str>, caller: Arc<str>) -> Self {
        Self {
            id,
            plugin,
            tool,
            caller,
            deadline_ms: i64::MAX,
        }
    }
}

/// The context of one call. Cloning is cheap; every clone dies with the call.
#[derive(Clone)]
pub struct CallCx(Arc<Live>);

struct Live {
    info: CallInfo,
    services: Arc<dyn HostServices>,
    ended: AtomicBool,
    cancelled: AtomicBool,
    /// Who waits for the cancellation.
    waiting: Mutex<Vec<Waker>>,
}

impl Live {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().for_each(Waker::wake);
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallCx {
    /// Makes the context of a call and the guard that ends it. For runtimes and test kits.
    pub fn begin(info: CallInfo, services: Arc<dyn HostServices>) -> (Self, CallGuard) {
        let live = Arc::new(Live {
            info,
            services,
            ended: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            waiting: Mutex::default(),
        });
        let guard = CallGuard {
            live: Arc::clone(&live),
            is_unheard: false,
        };
        (Self(live), guard)
    }

    /// Makes a context that has ended and has no host behind it.
    pub(crate) fn ended(plugin: &PluginId) -> Self {
        let info = CallInfo::new(0, plugin.clone(), "".into(), "".into());
        let (cx, guard) = Self::begin(info, Arc::new(NoHost));
        drop(guard);
        cx
    }

    /// Returns the facts of the call.
    #[must_use]
    pub fn info(&self) -> &CallInfo {
        &self.0.info
    }

    /// Tells whether the caller stopped waiting.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Waits until the caller stops waiting; never comes back in a call that ends well.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + '_ {
        poll_fn(move |cx| {
            let mut waiting = self.0.waiting();
            if self.is_cancelled() {
                return Poll::Ready(());
            }
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Asks the host for an effect.
    ///
    /// # Errors
    /// A denial once the call has ended or when the gate says no; otherwise what went wrong.
    pub async fn perform(&self, request: EffectRequest) -> Result<EffectReply, ToolError> {
        if self.0.ended.load(Ordering::Acquire) {
            return Err(ToolError::new(
                ToolErrorKind::Cancelled,
                "the call has ended; a request outside a live call is refused",
            ));
        }
        self.0.services.perform(&self.0.info, request).await
    }
}

impl fmt::Debug for CallCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallCx")
            .field("info", &self.0.info)
            .finish_non_exhaustive()
    }
}

/// What is behind a plugin that only describes itself.
struct NoHost;

#[async_trait]
impl HostServices for NoHost {
    async fn perform(&self, _: &CallInfo, _: EffectRequest) -> Result<EffectReply, ToolError> {
        let text = "there is no host here";
        Err(ToolError::new(ToolErrorKind::Unavailable, text))
    }
}

/// Ends its call when dropped: requests through any clone of the context are refused from then.
#[must_use = "dropping the guard ends the call"]
pub struct CallGuard {
    live: Arc<Live>,
    /// Nobody is left who could ask whether the call has ended.
    is_unheard: bool,
}

impl CallGuard {
    /// Tells the tool that its caller stopped waiting.
    pub fn cancel(&self) {
        self.live.cancel();
    }

    /// Ends the call, as dropping the guard does, and gives its facts back where the tool kept no
    /// clone of the context.
    #[must_use]
    pub fn end(mut self, cx: CallCx) -> Option<CallInfo> {
        let is_own = Arc::ptr_eq(&self.live, &cx.0);
        self.is_unheard = is_own && Arc::strong_count(&cx.0) == 2;
        drop(self);
        Arc::into_inner(cx.0).map(|live| live.info)
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if !self.is_unheard {
            self.live.ended.store(true, Ordering::Release);
            self.live.cancel();
        }
    }
}

impl fmt::Debug for CallGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallGuard")
            .field(&self.live.info.id)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host that does nothing.
    struct Idle;

    #[async_trait]
    impl HostServices for Idle {
        async fn perform(&self, _: &CallInfo, _: EffectRequest) -> Result<EffectReply, ToolError> {
            Ok(EffectReply::Done)
        }
    }

    fn begun(id: u64) -> (CallCx, CallGuard) {
        let plugin = PluginId::from_static("notes");
        let info = CallInfo::new(id, plugin, "notes/list".into(), "acme".into());
        CallCx::begin(info, Arc::new(Idle))
    }

    #[test]
    fn a_call_that_ends_gives_its_facts_back_unless_its_context_was_kept() {
        let (cx, guard) = begun(1);
        assert_eq!(guard.end(cx).map(|info| info.id), Some(1));

        let (cx, guard) = begun(2);
        let kept = cx.clone();
        assert_eq!(guard.end(cx), None);
        assert!(
            kept.is_cancelled(),
            "a clone learns that its call has ended"
        );

        let ((cx, guard), (other, _other_guard)) = (begun(3), begun(4));
        assert_eq!(guard.end(other), None, "its own guard holds it");
        assert!(cx.is_cancelled());
    }
}
