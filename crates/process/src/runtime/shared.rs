//! What the tools of a plugin and the task that owns its process share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyway_plugin_api::{ToolError, ToolErrorKind};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::actor::Actor;
use crate::child::{Child, Link, Order};

/// Calls that wait for a process.
const QUEUE: usize = 32;
/// How long a call waits for a process that is started again.
pub(super) const QUEUE_TIME: Duration = Duration::from_secs(5);
/// How long a call waits for a process that starts with it.
const WAKE_TIME: Duration = Duration::from_secs(30);

/// Whether calls can be made.
#[derive(Clone)]
pub(super) enum Phase {
    /// The process starts with the next call.
    Asleep,
    /// The process is on its way.
    Coming,
    /// Nobody brings it back by waiting.
    Gone(Arc<str>),
    /// Here.
    Ready(Arc<Link>),
}

/// What the owner is told.
pub(super) enum Command {
    Kill,
    Stop(oneshot::Sender<()>),
    Wake,
}

pub(super) type Commands = mpsc::UnboundedReceiver<Command>;

/// Who looks after a plugin.
#[derive(Default)]
enum Owner {
    /// Nobody yet, or nobody any more.
    #[default]
    None,
    /// Nobody before the first call: a thousand of these cost little, a thousand tasks would not.
    Resting {
        /// It holds what tools and owner share in turn, until the instance is dropped.
        order: Arc<Order>,
        /// Whoever calls first may do so from a runtime that does not last.
        runtime: Handle,
    },
    /// A task. Unbounded, and bounded in fact: a wake is sent by a call that holds a place in the
    /// queue.
    Running(mpsc::UnboundedSender<Command>),
}

impl Owner {
    fn start(order: Arc<Order>, child: Option<Child>, runtime: &Handle) -> Self {
        let (commands, taken) = mpsc::unbounded_channel();
        drop(runtime.spawn(Actor::new(order, taken, child).run()));
        Self::Running(commands)
    }
}

/// What tools and owner share.
pub(crate) struct Shared {
    phase: watch::Sender<Phase>,
    owner: Mutex<Owner>,
    queue: Semaphore,
    /// Calls and hooks that have or want the process.
    active: AtomicUsize,
    last_use: Mutex<Instant>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Asleep),
            owner: Mutex::default(),
            queue: Semaphore::new(QUEUE),
            active: AtomicUsize::new(0),
            last_use: Mutex::new(Instant::now()),
        }
    }

    /// Gives a plugin an owner: at once where its process is there, else with the first call.
    pub(super) fn own(&self, order: Arc<Order>, child: Option<Child>) {
        let runtime = Handle::current();
        *self.owner() = match child {
            Some(_) => Owner::start(order, child, &runtime),
            None => Owner::Resting { order, runtime },
        };
    }

    fn owner(&self) -> MutexGuard<'_, Owner> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn command(&self, command: Command) {
        let mut owner = self.owner();
        *owner = match (std::mem::take(&mut *owner), &command) {
            (Owner::Resting { order, runtime }, Command::Wake) => {
                Owner::start(order, None, &runtime)
            }
            (Owner::Resting { .. }, Command::Kill | Command::Stop(_)) => {
                self.set(Phase::Gone("it was stopped".into()));
                Owner::None
            }
            (owner, _) => owner,
        };
        if let Owner::Running(commands) = &*owner {
            // A task that has ended wants nothing any more.
            drop(commands.send(command));
        }
    }

    pub(super) fn set(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Says that somebody has the process until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Active {
        // Before the phase is read: an owner that sends the process to sleep looks at this after.
        self.active.fetch_add(1, Ordering::SeqCst);
        Active(Arc::clone(self))
    }

    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::SeqCst) > 0
    }

    /// Returns when the process was last used.
    pub(super) fn last_use(&self) -> Instant {
        *self.last_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the channel, waiting for it where that can help.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, ToolError> {
        let patience = match &*self.phase.borrow() {
            Phase::Ready(link) if !link.is_closed() => return Ok(Arc::clone(link)),
            Phase::Gone(reason) => return Err(gone(reason)),
            Phase::Asleep => WAKE_TIME,
            Phase::Coming | Phase::Ready(_) => QUEUE_TIME,
        };
        let Ok(_place) = self.queue.try_acquire() else {
            let text = format!("{QUEUE} calls wait for the plugin to start already");
            return Err(ToolError::new(ToolErrorKind::Unavailable, text));
        };
        match tokio::time::timeout(patience, self.wait()).await {
            Ok(result) => result,
            Err(_) => Err(gone("it did not start in time")),
        }
    }

    async fn wait(&self) -> Result<Arc<Link>, ToolError> {
        let mut phase = self.phase.subscribe();
        loop {
            let now = phase.borrow_and_update().clone();
            match now {
                Phase::Ready(link) if !link.is_closed() => return Ok(link),
                Phase::Gone(reason) => return Err(gone(&reason)),
                Phase::Asleep => self.command(Command::Wake),
                Phase::Coming | Phase::Ready(_) => {}
            }
            if phase.changed().await.is_err() {
                return Err(gone("the host has stopped"));
            }
        }
    }
}

fn gone(reason: &str) -> ToolError {
    ToolError::new(
        ToolErrorKind::Unavailable,
        format!("the plugin does not run: {reason}"),
    )
}

/// Somebody has the process.
pub(super) struct Active(Arc<Shared>);

impl Drop for Active {
    fn drop(&mut self) {
        *self
            .0
            .last_use
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}
