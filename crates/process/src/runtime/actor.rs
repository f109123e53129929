//! The task that owns one plugin's process: it carries out what the supervisor decides.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use keyway_channel::message::HostRequest;
use keyway_channel::pulse::Beat;
use keyway_host::runtime::Failure;
use keyway_plugin_api::ToolName;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::heart::Heart;
use super::shared::{Command, Commands, Phase, QUEUE_TIME};
use crate::ProcessError;
use crate::child::{Child, Closed, Ending, Order, Sign, Spawned};
use crate::supervisor::{Action, Cause, Event, Jitter, Moment, State, Supervisor};

/// How long the owner sleeps when nothing is due.
const FOREVER: Duration = Duration::from_secs(3600);

/// The owner of one plugin's process.
pub(super) struct Actor {
    order: Arc<Order>,
    commands: Commands,
    supervisor: Supervisor,
    began: Instant,
    child: Option<Child>,
    job: Option<Job>,
    /// A process that waits for its handshake, and when its spawn began.
    spawned: Option<(Spawned, Instant)>,
    heart: Option<Heart>,
    /// How the channel of the present child ended.
    closed: Option<Arc<Closed>>,
    /// What went wrong, in the words for the operator.
    reason: Option<String>,
    last_lines: Vec<String>,
    stopped: Vec<oneshot::Sender<()>>,
}

/// A step of a start that is under way. Dropping it gives the step up.
struct Job(JoinHandle<Result<Done, ProcessError>>);

enum Done {
    Served(Box<Child>),
    Spawned(Box<(Spawned, Instant)>),
}

enum Input {
    Command(Option<Command>),
    Job(Result<Result<Done, ProcessError>, JoinError>),
    Sign(Sign),
    Tick,
}

impl Actor {
    /// Makes the owner of a process that serves, or of a plugin that is asleep.
    pub(super) fn new(order: Arc<Order>, commands: Commands, child: Option<Child>) -> Self {
        let supervisor = Supervisor::new(order.options.supervision);
        let mut actor = Self {
            order,
            commands,
            supervisor,
            began: Instant::now(),
            child: None,
            job: None,
            spawned: None,
            heart: None,
            closed: None,
            reason: None,
            last_lines: Vec::new(),
            stopped: Vec::new(),
        };
        if let Some(child) = child {
            for event in [Event::Start, Event::Spawned, Event::Served] {
                // What these ask for has been done.
                drop(actor.decide(event));
            }
            actor.adopt(child);
        }
        actor
    }

    pub(super) async fn run(mut self) {
        while self.step().await.is_continue() {}
        self.order.shared.set(Phase::Gone("it was stopped".into()));
        for stopped in self.stopped.drain(..) {
            // Whoever asked may not wait any more.
            let _ = stopped.send(());
        }
    }

    async fn step(&mut self) -> ControlFlow<()> {
        match self.input().await {
            Input::Command(Some(Command::Stop(done))) => {
                self.stopped.push(done);
                self.order.shared.set(Phase::Gone("it was stopped".into()));
                self.feed(Event::Stop).await;
                if self.child.is_some() {
                    return ControlFlow::Continue(());
                }
                return ControlFlow::Break(());
            }
            Input::Command(Some(Command::Wake)) => self.wake().await,
            Input::Command(Some(Command::Kill) | None) => {
                self.feed(Event::Revoke).await;
                if let Some(child) = self.child.take() {
                    child.kill().await;
                }
                return ControlFlow::Break(());
            }
            Input::Job(result) => self.job_done(result).await,
            Input::Sign(sign) => self.sign(sign).await,
            Input::Tick => self.tick().await,
        }
        let is_over = !self.stopped.is_empty() && !self.supervisor.state().has_process();
        match is_over {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    async fn input(&mut self) -> Input {
        let wake = self.next_wake();
        let is_closed_known = self.closed.is_some();
        let link = self.child.as_ref().map(|child| Arc::clone(child.link()));
        let (child, job) = (self.child.as_mut(), self.job.as_mut());
        let (has_child, has_job) = (child.is_some(), job.is_some());
        let sign = async {
            match child {
                Some(child) => child.sign(is_closed_known).await,
                None => std::future::pending().await,
            }
        };
        let job = async {
            match job {
                Some(Job(handle)) => handle.await,
                None => std::future::pending().await,
            }
        };
        let cancelled = async {
            match &link {
                Some(link) => link.cancelled.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            sign = sign, if has_child => Input::Sign(sign),
            command = self.commands.recv() => Input::Command(command),
            result = job, if has_job => Input::Job(result),
            () = cancelled, if has_child => Input::Tick,
            () = sleep_until(wake) => Input::Tick,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn at(&self, ms: u64) -> Instant {
        self.began + Duration::from_millis(ms)
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let mut due = vec![now + FOREVER];
        due.extend(self.supervisor.wake_at().map(|ms| self.at(ms)));
        due.extend(self.heart.as_ref().map(|heart| self.at(heart.due_ms())));
        if let Some(child) = &self.child {
            due.extend(child.link().next_overdue(self.order.options.cancel_grace));
            due.extend(self.idle_due());
        }
        due.into_iter().min().unwrap_or(now)
    }

    fn idle_due(&self) -> Option<Instant> {
        let idle = self.order.options.idle?;
        let is_ready = matches!(self.supervisor.state(), State::Ready(_));
        // While somebody has the process, another look a while later is enough.
        let since = match self.order.shared.is_active() {
            true => Instant::now(),
            false => self.order.shared.last_use(),
        };
        is_ready.then_some(since + idle)
    }

    /// Gives an event to the supervisor and carries out what it decides.
    async fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.decide(event) {
                events.extend(self.act(action).await);
            }
        }
    }

    fn decide(&mut self, event: Event) -> Vec<Action> {
        let at = Moment {
            now_ms: self.now_ms(),
            jitter: Jitter::from_bits(Uuid::now_v7().as_u64_pair().1),
        };
        let fresh = Supervisor::new(self.order.options.supervision);
        let (next, actions) = std::mem::replace(&mut self.supervisor, fresh).handle(event, at);
        self.supervisor = next;
        actions
    }

    async fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::BringUp => self.order.launch.supervision.up(),
            Action::Drain => {
                let child = self.child.take()?;
                self.heart = None;
                child.stop(self.order.options.stop).await;
                return Some(Event::Exited { tool: None });
            }
            Action::Handshake => self.shake(),
            Action::Kill => return self.kill(),
            Action::Spawn => self.spawn(),
            Action::StrikeOut(tool) => self.strike_out(&tool),
            Action::TakeDown { because, retry_ms } => self.take_down(&because, retry_ms),
        }
        None
    }

    fn spawn(&mut self) {
        self.order.shared.set(Phase::Coming);
        let order = Arc::clone(&self.order);
        self.job = Some(Job(tokio::spawn(async move {
            let began = Instant::now();
            let spawned = order.spawn().await?;
            Ok(Done::Spawned(Box::new((spawned, began))))
        })));
    }

    fn shake(&mut self) {
        let Some((spawned, began)) = self.spawned.take() else {
            return;
        };
        let order = Arc::clone(&self.order);
        self.job = Some(Job(tokio::spawn(async move {
            let child = spawned.shake(&order, began).await?;
            Ok(Done::Served(Box::new(child)))
        })));
    }

    /// Ends what there is; the end of a child comes as a sign of its own.
    fn kill(&mut self) -> Option<Event> {
        self.job = None;
        self.spawned = None;
        match &mut self.child {
            Some(child) => {
                child.kill_now();
                None
            }
            None => Some(Event::Exited { tool: None }),
        }
    }

    fn strike_out(&self, tool: &ToolName) {
        let strikes = self.order.options.supervision.strikes;
        let reason = format!("the plugin's process ended {strikes} times while it alone ran");
        self.order.launch.supervision.strike_out(tool, &reason);
    }

    fn take_down(&mut self, because: &Cause, retry_ms: Option<u64>) {
        let reason = self.reason.take().unwrap_or_else(|| described(because));
        let delay = retry_ms.map(Duration::from_millis);
        let is_soon = delay.is_some_and(|delay| delay <= QUEUE_TIME);
        // First the tools know, so that no call finds the old channel after the swap.
        self.order.shared.set(match is_soon {
            true => Phase::Coming,
            false => Phase::Gone(reason.as_str().into()),
        });
        let mut failure =
            Failure::new(reason).with_last_lines(std::mem::take(&mut self.last_lines));
        if let Some(delay) = delay {
            failure = failure.with_retry_after(delay);
        }
        self.order.launch.supervision.down(&failure);
    }

    async fn wake(&mut self) {
        if matches!(self.supervisor.state(), State::Stopped(_)) {
            self.feed(Event::Start).await;
        }
    }

    async fn job_done(&mut self, result: Result<Result<Done, ProcessError>, JoinError>) {
        self.job = None;
        match result {
            Ok(Ok(Done::Spawned(spawned))) => {
                self.spawned = Some(*spawned);
                self.feed(Event::Spawned).await;
            }
            Ok(Ok(Done::Served(child))) => {
                self.adopt(*child);
                self.feed(Event::Served).await;
            }
            Ok(Err(error)) => self.start_failed(&error).await,
            Err(error) => {
                self.reason = Some(format!("its start was lost: {error}; bug in keyway"));
                self.feed(Event::Exited { tool: None }).await;
            }
        }
    }

    async fn start_failed(&mut self, error: &ProcessError) {
        let reason = format!("{error} ({})", error.code());
        self.reason = Some(reason.clone());
        match error.is_permanent() {
            true => self.feed(Event::Refused { reason }).await,
            false => self.feed(Event::Exited { tool: None }).await,
        }
        self.retell(error);
    }

    /// A plugin that is down already and cannot come back: the operator is told that, too.
    fn retell(&mut self, error: &ProcessError) {
        let Some(reason) = self.reason.take() else {
            return;
        };
        let level = keyway_plugin_api::LogLevel::Error;
        let text = match error.is_permanent() {
            true => format!("it is not started again: {reason}"),
            false => format!("it could not be started again: {reason}"),
        };
        self.order.launch.supervision.notice(level, text);
        let is_soon = self.supervisor.state().retry_at().is_some_and(|until| {
            until.saturating_sub(self.now_ms())
                <= u64::try_from(QUEUE_TIME.as_millis()).unwrap_or(0)
        });
        if !is_soon {
            self.order.shared.set(Phase::Gone(reason.as_str().into()));
        }
    }

    /// Takes over a process that serves.
    fn adopt(&mut self, child: Child) {
        self.heart = Some(Heart::new(self.order.options.pulse, self.now_ms()));
        (self.closed, self.reason) = (None, None);
        self.order
            .shared
            .set(Phase::Ready(Arc::clone(child.link())));
        self.child = Some(child);
    }

    async fn sign(&mut self, sign: Sign) {
        match sign {
            Sign::Closed(closed) => {
                self.closed = Some(Arc::clone(&closed));
                match &closed.how {
                    Ending::Host => {}
                    Ending::Peer => self.feed(Event::ChannelClosed).await,
                    Ending::Violation { code, problem } => {
                        self.reason = Some(format!("it broke the protocol ({code}): {problem}"));
                        self.feed(Event::Violated).await;
                    }
                }
            }
            Sign::Exited(how) => {
                let Some(mut child) = self.child.take() else {
                    return;
                };
                let closed = child.settle().await;
                self.last_lines = child.last_lines().await;
                drop(child);
                self.heart = None;
                self.exited(&how, &closed).await;
            }
        }
    }

    async fn exited(&mut self, how: &str, closed: &Closed) {
        let calls: Vec<_> = closed.calls.iter().take(8).map(u64::to_string).collect();
        let mut reason = format!("its process {how}");
        if !calls.is_empty() {
            reason = format!("{reason}; calls in flight: {}", calls.join(", "));
        }
        self.reason = Some(reason);
        let tool = closed.alone.clone();
        self.feed(Event::Exited { tool }).await;
        self.reason = None;
    }

    async fn tick(&mut self) {
        self.feed(Event::Tick).await;
        self.beat().await;
        let Some(child) = &self.child else {
            return;
        };
        for _ in 0..child
            .link()
            .ignored_cancels(self.order.options.cancel_grace)
        {
            self.feed(Event::CancelIgnored).await;
        }
        self.sleep_if_idle().await;
    }

    async fn beat(&mut self) {
        let now_ms = self.now_ms();
        let (Some(heart), Some(child)) = (&mut self.heart, &self.child) else {
            return;
        };
        let heard = child
            .link()
            .last_heard()
            .saturating_duration_since(self.began);
        let is_back = heart.heard(u64::try_from(heard.as_millis()).unwrap_or(now_ms));
        let beat = heart.poll(now_ms);
        let event = match beat {
            Beat::WaitUntil(_) => is_back.then_some(Event::Heard),
            Beat::Ping => {
                // Its answer counts as any other frame.
                drop(child.link().control(&HostRequest::Ping));
                heart.has_missed().then_some(Event::Missed)
            }
            Beat::Dead => {
                self.heart = None;
                Some(Event::Silent)
            }
        };
        if let Some(event) = event {
            self.feed(event).await;
        }
    }

    async fn sleep_if_idle(&mut self) {
        let is_due = self.idle_due().is_some_and(|due| Instant::now() >= due);
        let is_idle = |child: &Child| child.link().is_idle();
        if !is_due || !self.child.as_ref().is_some_and(is_idle) {
            return;
        }
        let shared = Arc::clone(&self.order.shared);
        shared.set(Phase::Asleep);
        // A call that came before the phase was set has the process; it must not be taken away.
        match (shared.is_active(), &self.child) {
            (true, Some(child)) => shared.set(Phase::Ready(Arc::clone(child.link()))),
            _ => self.feed(Event::Sleep).await,
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn described(cause: &Cause) -> String {
    match cause {
        Cause::ChannelClosed => "it closed its channel".to_owned(),
        Cause::Exit => "its process ended".to_owned(),
        Cause::IgnoredCancels => "its tools went on after they were cancelled".to_owned(),
        Cause::Refused(reason) => reason.clone(),
        Cause::Silence => "it gave no sign of life and answered no ping".to_owned(),
        Cause::Violation => "it broke the protocol".to_owned(),
    }
}
