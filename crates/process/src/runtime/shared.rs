//! What the tools of a plugin and the task that owns its process share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyway_plugin_api::{ToolError, ToolErrorKind};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::actor::Actor;
use crate::child::{Link, Order};

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

/// What the owner of a plugin is made of that has never been called: a thousand of these cost
/// little, a thousand tasks would not.
pub(super) struct Resting {
    order: Arc<Order>,
    commands: Commands,
    /// Whoever calls first may do so from a runtime that does not last.
    runtime: Handle,
}

impl Resting {
    /// Takes note of the runtime that this is called on.
    pub(super) fn new(order: Arc<Order>, commands: Commands) -> Self {
        let runtime = Handle::current();
        Self {
            order,
            commands,
            runtime,
        }
    }

    fn wake(self) {
        let owner = Actor::new(self.order, self.commands, None);
        drop(self.runtime.spawn(owner.run()));
    }
}

/// What tools and owner share.
pub(crate) struct Shared {
    phase: watch::Sender<Phase>,
    /// The owner before its first command. It holds this in turn, until the instance is dropped.
    resting: Mutex<Option<Resting>>,
    /// Unbounded, and bounded in fact: a wake is sent by a call that holds a place in the queue.
    commands: mpsc::UnboundedSender<Command>,
    queue: Semaphore,
    /// Calls and hooks that have or want the process.
    active: AtomicUsize,
    last_use: Mutex<Instant>,
}

impl Shared {
    pub(super) fn new() -> (Arc<Self>, Commands) {
        let (commands, taken) = mpsc::unbounded_channel();
        let shared = Self {
            phase: watch::Sender::new(Phase::Asleep),
            resting: Mutex::default(),
            commands,
            queue: Semaphore::new(QUEUE),
            active: AtomicUsize::new(0),
            last_use: Mutex::new(Instant::now()),
        };
        (Arc::new(shared), taken)
    }

    /// Keeps the owner until there is something to do for it.
    pub(super) fn rest(&self, owner: Resting) {
        *self.resting() = Some(owner);
    }

    fn resting(&self) -> MutexGuard<'_, Option<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn command(&self, command: Command) {
        let resting = self.resting().take();
        match (resting, &command) {
            (Some(owner), Command::Wake) => owner.wake(),
            // It has nothing to stop, and never will.
            (Some(_), _) => self.set(Phase::Gone("it was stopped".into())),
            (None, _) => {}
        }
        // An owner that has ended wants nothing any more.
        drop(self.commands.send(command));
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
