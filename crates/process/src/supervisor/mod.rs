//! What to do with a plugin's process: decisions only.
//!
//! A [`Supervisor`] takes events and gives actions. It starts nothing, stops nothing, reads no clock
//! and draws no random number: milliseconds and jitter come in with each event. Who carries the
//! actions out is the runtime.
//!
//! Which sign of failure counts, strongest first: the process ended, it broke the protocol, its
//! channel closed, its heartbeat stopped. A stronger sign replaces the reason of a weaker one as
//! long as the failure is not settled.

mod budget;
mod policy;
mod states;

pub use budget::Jitter;
pub use policy::SupervisorPolicy;
pub use states::{
    Backoff, Draining, Failed, Handshaking, Open, Ready, Spawning, State, Stopped, Suspect,
};

use std::collections::BTreeMap;

use keyway_plugin_api::ToolName;

use budget::Budget;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A call was cancelled, and its tool went on past the grace.
    CancelIgnored,
    /// The channel closed while the process lives. A grandchild can do that; alone it is a hint.
    ChannelClosed,
    /// The process is gone, or never came to be.
    Exited {
        /// The tool that ran, where exactly one did.
        tool: Option<ToolName>,
    },
    /// A sign of life came.
    Heard,
    /// A ping was not answered in time.
    Missed,
    /// It can never work: a wrong proof, another identity, other tools.
    Refused {
        /// Why, for the operator.
        reason: String,
    },
    /// The operator took the plugin away for good.
    Revoke,
    /// The plugin has registered and started: calls may come.
    Served,
    /// So many pings went unanswered that the process counts as dead.
    Silent,
    /// Nothing was asked of the plugin for a long time.
    Sleep,
    /// The process exists.
    Spawned,
    /// The plugin is wanted.
    Start,
    /// The plugin is not wanted any more.
    Stop,
    /// Time went by.
    Tick,
    /// The process broke the protocol.
    Violated,
}

/// What the runtime has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Calls may come again.
    BringUp,
    /// Let the calls in flight end, then stop the process in good order.
    Drain,
    /// Talk to the process that was spawned: handshake, register, start.
    Handshake,
    /// End the process at once. Its end comes back as [`Event::Exited`].
    Kill,
    /// Start a process.
    Spawn,
    /// Take this tool out; it brought the plugin down too often.
    StrikeOut(ToolName),
    /// Take the tools out and tell the operator.
    TakeDown {
        /// The strongest sign of what went wrong.
        because: Cause,
        /// When it is tried again, in milliseconds from now; `None` when only an operator can.
        retry_ms: Option<u64>,
    },
}

/// Why a process does not serve, strongest last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// It ignored too many cancellations.
    IgnoredCancels,
    /// It did not answer pings.
    Silence,
    /// Its channel closed.
    ChannelClosed,
    /// It broke the protocol.
    Violation,
    /// It ended by itself.
    Exit,
    /// It can never work.
    Refused(String),
}

/// When an event happened, and the random number that a delay may need.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the two things a decision must not fetch itself"
)]
pub struct Moment {
    /// Milliseconds since some fixed moment; never less than before.
    pub now_ms: u64,
    /// A fresh random number.
    pub jitter: Jitter,
}

/// Decides over one plugin's process.
///
/// ```
/// use keyway_process::supervisor::{Action, Event, Jitter, Moment, Supervisor, SupervisorPolicy};
/// let at = |now_ms| Moment { now_ms, jitter: Jitter::NONE };
/// let supervisor = Supervisor::new(SupervisorPolicy::default());
/// let (supervisor, actions) = supervisor.handle(Event::Start, at(0));
/// assert_eq!(actions, [Action::Spawn]);
/// let (supervisor, _) = supervisor.handle(Event::Spawned, at(5));
/// let (supervisor, _) = supervisor.handle(Event::Served, at(9));
/// let (supervisor, actions) = supervisor.handle(Event::Exited { tool: None }, at(1_000));
/// assert!(matches!(actions[..], [Action::TakeDown { retry_ms: Some(200), .. }]));
/// assert_eq!(supervisor.wake_at(), Some(1_200));
/// ```
#[derive(Debug, Clone)]
pub struct Supervisor {
    policy: SupervisorPolicy,
    state: State,
    memory: Memory,
}

/// What outlives a process.
#[derive(Debug, Clone, Default)]
struct Memory {
    budget: Budget,
    strikes: BTreeMap<ToolName, u32>,
    ignored: Vec<u64>,
    /// Whether the tools are out, so that they are taken out and brought back once.
    is_down: bool,
}

/// The next state, with what it takes to get there.
type Step = (State, Vec<Action>);

impl Supervisor {
    /// Makes the supervisor of a plugin that does not run.
    #[must_use]
    pub fn new(policy: SupervisorPolicy) -> Self {
        Self {
            policy,
            state: State::Stopped(Stopped::new()),
            memory: Memory::default(),
        }
    }

    /// Returns where the plugin stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns when [`Event::Tick`] is due, in milliseconds.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        match &self.state {
            State::Backoff(backoff) => Some(backoff.until_ms()),
            State::Open(open) => Some(open.until_ms()),
            State::Suspect(suspect) => suspect.until_ms(),
            _ => None,
        }
    }

    /// Takes an event and gives what to do. Events that mean nothing in a state change nothing.
    #[must_use]
    pub fn handle(self, event: Event, at: Moment) -> (Self, Vec<Action>) {
        let Self {
            policy,
            state,
            mut memory,
        } = self;
        let (state, actions) = memory.step(&policy, (state, event), at);
        let supervisor = Self {
            policy,
            state,
            memory,
        };
        (supervisor, actions)
    }
}

impl Memory {
    fn step(
        &mut self,
        policy: &SupervisorPolicy,
        (state, event): (State, Event),
        at: Moment,
    ) -> Step {
        match (state, event) {
            (state @ (State::Revoked | State::Failed(_)), Event::Start) => (state, Vec::new()),
            (state, Event::Revoke) => revoke(&state),
            (state, Event::Stop) => stop(state),
            (State::Stopped(stopped), Event::Start) => (stopped.spawn(), vec![Action::Spawn]),
            (State::Spawning(spawning), Event::Spawned) => {
                (spawning.spawned(), vec![Action::Handshake])
            }
            (State::Handshaking(shaking), Event::Served) => self.served(shaking, at),
            (State::Backoff(backoff), Event::Tick) => match backoff.tick(at.now_ms) {
                Ok(spawning) => (State::Spawning(spawning), vec![Action::Spawn]),
                Err(backoff) => (State::Backoff(backoff), Vec::new()),
            },
            (State::Open(open), Event::Tick) if policy.probes => match open.tick(at.now_ms) {
                Ok(spawning) => (State::Spawning(spawning), vec![Action::Spawn]),
                Err(open) => (State::Open(open), Vec::new()),
            },
            (State::Draining(draining), Event::Exited { .. }) => (draining.exited(), Vec::new()),
            (state, event) if state.has_process() => self.sign(policy, (state, event), at),
            (state, _) => (state, Vec::new()),
        }
    }

    fn served(&mut self, shaking: Handshaking, at: Moment) -> Step {
        let mut actions = Vec::new();
        if std::mem::take(&mut self.is_down) {
            actions.push(Action::BringUp);
        }
        (shaking.served(at.now_ms), actions)
    }

    /// What a process that is there shows of itself.
    fn sign(
        &mut self,
        policy: &SupervisorPolicy,
        (state, event): (State, Event),
        at: Moment,
    ) -> Step {
        match (state, event) {
            (state, Event::Exited { tool }) => self.exited(policy, state, tool, at),
            (state, Event::Refused { reason }) => {
                self.condemn(policy, state, &Cause::Refused(reason), at)
            }
            (state, Event::Violated) => self.condemn(policy, state, &Cause::Violation, at),
            (state, Event::Silent) => self.condemn(policy, state, &Cause::Silence, at),
            (State::Ready(ready), Event::ChannelClosed) => {
                let until = at.now_ms.saturating_add(policy.exit_grace_ms);
                (ready.suspect(Cause::ChannelClosed, Some(until)), Vec::new())
            }
            (state, Event::ChannelClosed) => self.condemn(policy, state, &Cause::ChannelClosed, at),
            (State::Ready(ready), Event::Missed) => {
                (ready.suspect(Cause::Silence, None), Vec::new())
            }
            (State::Suspect(suspect), Event::Heard) => (suspect.heard(), Vec::new()),
            (State::Suspect(suspect), Event::Tick) if suspect.is_over(at.now_ms) => {
                let cause = suspect.cause().clone();
                self.condemn(policy, State::Suspect(suspect), &cause, at)
            }
            (State::Ready(ready), Event::CancelIgnored) => self.ignored(policy, ready, at),
            (State::Ready(ready), Event::Sleep) => (ready.drain(), vec![Action::Drain]),
            (state, _) => (state, Vec::new()),
        }
    }

    fn ignored(&mut self, policy: &SupervisorPolicy, ready: Ready, at: Moment) -> Step {
        let since = at.now_ms.checked_sub(policy.ignored_window_ms);
        self.ignored
            .retain(|when| since.is_none_or(|since| *when > since));
        self.ignored.push(at.now_ms);
        if self.ignored.len() < policy.ignored_cancels {
            return (State::Ready(ready), Vec::new());
        }
        self.ignored.clear();
        self.condemn(policy, State::Ready(ready), &Cause::IgnoredCancels, at)
    }

    /// Decides that the process has to go. The tools leave now, not when it is gone.
    fn condemn(
        &mut self,
        policy: &SupervisorPolicy,
        state: State,
        cause: &Cause,
        at: Moment,
    ) -> Step {
        let (state, is_new) = state.condemn(cause.clone());
        if !is_new {
            return (state, Vec::new());
        }
        let mut actions = Vec::new();
        self.take_down(&mut actions, cause.clone(), self.outlook(policy, cause, at));
        actions.push(Action::Kill);
        (state, actions)
    }

    /// When a process that fails now would be tried again; the jitter is drawn when it is gone.
    fn outlook(&self, policy: &SupervisorPolicy, cause: &Cause, at: Moment) -> Option<u64> {
        match cause {
            Cause::Refused(_) => None,
            _ => self.budget.outlook(policy, at.now_ms),
        }
    }

    fn take_down(&mut self, actions: &mut Vec<Action>, because: Cause, retry_ms: Option<u64>) {
        if !std::mem::replace(&mut self.is_down, true) {
            actions.push(Action::TakeDown { because, retry_ms });
        }
    }

    fn exited(
        &mut self,
        policy: &SupervisorPolicy,
        state: State,
        tool: Option<ToolName>,
        at: Moment,
    ) -> Step {
        let is_condemned = state.cause().is_some();
        let healthy_ms = state.served_for(at.now_ms);
        let cause = state.into_cause().unwrap_or(Cause::Exit);
        let mut actions = Vec::new();
        if let Cause::Refused(reason) = cause {
            self.take_down(&mut actions, Cause::Refused(reason.clone()), None);
            return (State::Failed(Failed::new(reason)), actions);
        }
        let state = self.budget.crashed(policy, healthy_ms, at);
        let retry_ms = state
            .retry_at()
            .map(|until| until.saturating_sub(at.now_ms));
        let retry_ms = retry_ms.filter(|_| policy.probes || matches!(state, State::Backoff(_)));
        self.take_down(&mut actions, cause, retry_ms);
        // After the tools are out, so that they are not shown once more without this one.
        if let Some(tool) = tool.filter(|_| !is_condemned) {
            self.strike(policy, tool, &mut actions);
        }
        (state, actions)
    }

    fn strike(&mut self, policy: &SupervisorPolicy, tool: ToolName, actions: &mut Vec<Action>) {
        let strikes = self.strikes.entry(tool.clone()).or_default();
        *strikes += 1;
        if *strikes == policy.strikes {
            actions.push(Action::StrikeOut(tool));
        }
    }
}

fn stop(state: State) -> Step {
    match state {
        State::Ready(ready) => (ready.drain(), vec![Action::Drain]),
        State::Spawning(_) | State::Handshaking(_) | State::Suspect(_) => {
            (State::Draining(Draining::new()), vec![Action::Kill])
        }
        State::Backoff(_) | State::Open(_) => (State::Stopped(Stopped::new()), Vec::new()),
        state => (state, Vec::new()),
    }
}

fn revoke(state: &State) -> Step {
    let actions = match state.has_process() {
        true => vec![Action::Kill],
        false => Vec::new(),
    };
    (State::Revoked, actions)
}
