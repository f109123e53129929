//! The supervisor's decisions, as tables and under random histories.

use keyway_plugin_api::ToolName;
use keyway_process::supervisor::{
    Action, Cause, Event, Jitter, Moment, State, Supervisor, SupervisorPolicy,
};
use proptest::prelude::*;

/// A supervisor with the actions that it asked for.
struct Run {
    supervisor: Supervisor,
    now_ms: u64,
    actions: Vec<(u64, Action)>,
}

impl Run {
    fn new() -> Self {
        Self::with(SupervisorPolicy::default())
    }

    fn with(policy: SupervisorPolicy) -> Self {
        Self {
            supervisor: Supervisor::new(policy),
            now_ms: 0,
            actions: Vec::new(),
        }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        let at = Moment {
            now_ms: self.now_ms,
            jitter: Jitter::NONE,
        };
        let (next, actions) = self.supervisor.clone().handle(event, at);
        self.supervisor = next;
        let now = self.now_ms;
        self.actions
            .extend(actions.iter().cloned().map(|action| (now, action)));
        actions
    }

    fn serve(&mut self) -> &mut Self {
        for event in [Event::Start, Event::Spawned, Event::Served] {
            self.event(event);
        }
        self
    }

    fn wait(&mut self, ms: u64) -> &mut Self {
        self.now_ms += ms;
        self
    }

    /// Waits until the supervisor wants to be woken, and brings a process up again.
    fn revive(&mut self) -> u64 {
        let until = self.supervisor.wake_at().unwrap();
        let waited = until - self.now_ms;
        self.now_ms = until;
        assert_eq!(self.event(Event::Tick), [Action::Spawn]);
        self.event(Event::Spawned);
        self.event(Event::Served);
        waited
    }

    fn name(&self) -> &'static str {
        match self.supervisor.state() {
            State::Stopped(_) => "stopped",
            State::Spawning(_) => "spawning",
            State::Handshaking(_) => "handshaking",
            State::Ready(_) => "ready",
            State::Suspect(_) => "suspect",
            State::Draining(_) => "draining",
            State::Backoff(_) => "backoff",
            State::Open(_) => "open",
            State::Failed(_) => "failed",
            State::Revoked => "revoked",
        }
    }
}

fn exit() -> Event {
    Event::Exited { tool: None }
}

fn exit_under(tool: &str) -> Event {
    Event::Exited {
        tool: Some(ToolName::parse(tool).unwrap()),
    }
}

fn refused() -> Event {
    Event::Refused {
        reason: "BAD_MAC".to_owned(),
    }
}

#[track_caller]
fn check(events: &[Event], state: &str) {
    let mut run = Run::new();
    for event in events {
        run.event(event.clone());
    }
    assert_eq!(run.name(), state, "{events:?}");
}

#[test]
fn every_state_is_reached() {
    use Event::{
        ChannelClosed, Heard, Missed, Revoke, Served, Silent, Sleep, Spawned, Start, Stop, Violated,
    };
    check(&[], "stopped");
    check(&[Start], "spawning");
    check(&[Start, Spawned], "handshaking");
    check(&[Start, Spawned, Served], "ready");
    check(&[Start, Spawned, Served, Missed], "suspect");
    check(&[Start, Spawned, Served, Missed, Heard], "ready");
    check(&[Start, Spawned, Served, ChannelClosed], "suspect");
    check(&[Start, Spawned, Served, ChannelClosed, Heard], "suspect");
    check(&[Start, Spawned, Served, Silent], "suspect");
    check(&[Start, Spawned, Served, Silent, Heard], "suspect");
    check(&[Start, Spawned, Served, Violated, exit()], "backoff");
    check(&[Start, Spawned, Served, Stop], "draining");
    check(&[Start, Spawned, Served, Stop, exit()], "stopped");
    check(&[Start, Spawned, Served, Sleep, exit()], "stopped");
    check(&[Start, Spawned, Stop, exit()], "stopped");
    check(&[Start, exit()], "backoff");
    check(&[Start, exit(), Stop], "stopped");
    check(&[Start, Spawned, refused()], "handshaking");
    check(&[Start, Spawned, refused(), exit()], "failed");
    check(&[Start, Spawned, refused(), exit(), Start], "failed");
    check(&[Start, Spawned, Served, Revoke], "revoked");
    check(&[Revoke, Start], "revoked");
    check(&[Start, Spawned, Served, Revoke, exit(), Start], "revoked");
}

#[test]
fn delays_double_up_to_their_cap_and_begin_anew_after_good_service() {
    let policy = SupervisorPolicy {
        crashes: 1_000,
        ..SupervisorPolicy::default()
    };
    let mut run = Run::with(policy);
    run.serve();
    let mut delays = Vec::new();
    for _ in 0..10 {
        run.event(exit());
        delays.push(run.revive());
    }
    let expected = [
        200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000,
    ];
    assert_eq!(delays, expected);
    run.wait(60_000).event(exit());
    assert_eq!(run.revive(), 200);
    run.wait(59_999).event(exit());
    assert_eq!(run.revive(), 400, "one millisecond short of good service");
}

#[test]
fn jitter_spreads_by_a_fifth_and_no_more() {
    let mut seen = std::collections::BTreeSet::new();
    for bits in 0..1_000u64 {
        let at = |now_ms| Moment {
            now_ms,
            jitter: Jitter::from_bits(bits),
        };
        let mut supervisor = Supervisor::new(SupervisorPolicy::default());
        for event in [Event::Start, exit()] {
            supervisor = supervisor.handle(event, at(0)).0;
        }
        let delay = supervisor.wake_at().unwrap();
        assert!((160..=240).contains(&delay), "{delay}");
        seen.insert(delay);
    }
    assert!(seen.contains(&160) && seen.contains(&240) && seen.len() > 60);
}

#[test]
fn s_b5_the_third_crash_in_five_minutes_opens_the_circuit_for_five_minutes() {
    let mut run = Run::new();
    run.serve().wait(10).event(exit());
    run.revive();
    run.wait(10).event(exit());
    run.revive();
    let actions = run.wait(10).event(exit());
    assert_eq!(run.name(), "open");
    let because = Cause::Exit;
    let retry_ms = Some(300_000);
    assert_eq!(actions, [Action::TakeDown { because, retry_ms }]);
    assert!(run.wait(299_999).event(Event::Tick).is_empty());
    assert_eq!(run.wait(1).event(Event::Tick), [Action::Spawn]);
    // The probe fails: five more minutes, although the old crashes are long ago.
    assert!(run.event(exit()).is_empty(), "the tools are out already");
    assert_eq!(run.name(), "open");
    run.revive();
    assert_eq!(
        run.actions.last().map(|(_, action)| action),
        Some(&Action::BringUp)
    );
    // The probe does well: it counts as healed.
    run.wait(60_000).event(exit());
    assert_eq!(run.name(), "backoff");
}

#[test]
fn s_b5_control_without_a_budget_every_crash_is_followed_by_another_start() {
    let mut run = Run::with(SupervisorPolicy {
        crashes: usize::MAX,
        ..SupervisorPolicy::default()
    });
    run.serve();
    for _ in 0..50 {
        run.event(exit());
        run.revive();
    }
    let is_spawn = |(_, action): &&(u64, Action)| *action == Action::Spawn;
    assert_eq!(run.actions.iter().filter(is_spawn).count(), 51);
}

#[test]
fn crashes_that_are_far_apart_open_nothing() {
    let mut run = Run::new();
    run.serve();
    for _ in 0..20 {
        run.wait(200_000).event(exit());
        assert_eq!(run.name(), "backoff");
        run.revive();
    }
}

#[test]
fn without_probes_only_an_operator_brings_it_back() {
    let policy = SupervisorPolicy {
        probes: false,
        crashes: 1,
        ..SupervisorPolicy::default()
    };
    let mut run = Run::with(policy);
    let actions = run.serve().event(exit());
    assert!(matches!(
        actions[..],
        [Action::TakeDown { retry_ms: None, .. }]
    ));
    assert!(run.wait(10_000_000).event(Event::Tick).is_empty());
    assert_eq!(run.name(), "open");
}

#[test]
fn the_strongest_sign_is_the_reason() {
    let reason = |events: &[Event]| {
        let mut run = Run::new();
        run.serve();
        let actions = events.iter().flat_map(|event| run.event(event.clone()));
        let actions: Vec<_> = actions.collect();
        match &actions[..] {
            [Action::TakeDown { because, .. }, ..] => because.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason(&[exit()]), Cause::Exit);
    assert_eq!(reason(&[Event::ChannelClosed, exit()]), Cause::Exit);
    assert_eq!(reason(&[Event::Missed, Event::Violated]), Cause::Violation);
    assert_eq!(reason(&[Event::Missed, Event::Silent]), Cause::Silence);
    assert_eq!(
        reason(&[Event::Missed, Event::ChannelClosed]),
        Cause::ChannelClosed
    );
    assert!(Cause::Exit > Cause::Violation && Cause::Violation > Cause::ChannelClosed);
    assert!(Cause::ChannelClosed > Cause::Silence && Cause::Silence > Cause::IgnoredCancels);
}

#[test]
fn a_closed_channel_waits_a_moment_for_the_exit() {
    let mut run = Run::new();
    assert!(run.serve().event(Event::ChannelClosed).is_empty());
    assert!(run.wait(999).event(Event::Tick).is_empty());
    let actions = run.wait(1).event(Event::Tick);
    assert!(
        matches!(actions[..], [Action::TakeDown { .. }, Action::Kill]),
        "{actions:?}"
    );
    // Said once, whatever comes after.
    assert!(run.event(Event::Violated).is_empty());
    assert!(run.event(exit()).is_empty());
    assert_eq!(run.name(), "backoff");
}

#[test]
fn two_crashes_under_one_tool_strike_it_out() {
    let policy = SupervisorPolicy {
        crashes: 10,
        ..SupervisorPolicy::default()
    };
    let struck = |tools: &[&str]| {
        let mut run = Run::with(policy);
        run.serve();
        for tool in tools {
            run.event(exit_under(tool));
            run.revive();
        }
        let struck = run
            .actions
            .into_iter()
            .filter_map(|(_, action)| match action {
                Action::StrikeOut(tool) => Some(tool.to_string()),
                _ => None,
            });
        struck.collect::<Vec<_>>()
    };
    assert_eq!(struck(&["a", "b"]), Vec::<String>::new());
    assert_eq!(struck(&["a", "b", "a"]), ["a"]);
    assert_eq!(struck(&["a", "a", "a", "b", "b"]), ["a", "b"]);
}

#[test]
fn s_b4_three_ignored_cancels_within_a_minute_restart_it() {
    let mut run = Run::new();
    run.serve();
    for _ in 0..10 {
        assert!(run.wait(31_000).event(Event::CancelIgnored).is_empty());
    }
    let mut run = Run::new();
    run.serve();
    assert!(run.event(Event::CancelIgnored).is_empty());
    assert!(run.wait(10_000).event(Event::CancelIgnored).is_empty());
    let actions = run.wait(10_000).event(Event::CancelIgnored);
    let because = Cause::IgnoredCancels;
    let retry_ms = Some(200);
    assert_eq!(
        actions,
        [Action::TakeDown { because, retry_ms }, Action::Kill]
    );
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::CancelIgnored),
        Just(Event::ChannelClosed),
        Just(exit()),
        Just(exit_under("a")),
        Just(Event::Heard),
        Just(Event::Missed),
        Just(Event::Served),
        Just(Event::Silent),
        Just(Event::Sleep),
        Just(Event::Spawned),
        Just(Event::Tick),
        Just(Event::Violated),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However events come, a plugin that is started once is spawned at most as often in any
    /// window as it may crash.
    #[test]
    fn the_budget_is_never_exceeded(history in prop::collection::vec((any_event(), 0u64..20_000), 1..300)) {
        let mut run = Run::new();
        run.event(Event::Start);
        for (event, pause) in history {
            // A plugin that went to sleep is not started again here.
            run.wait(pause).event(event);
        }
        let policy = SupervisorPolicy::default();
        let spawns: Vec<u64> = run.actions.iter()
            .filter(|(_, action)| *action == Action::Spawn)
            .map(|(when, _)| *when)
            .collect();
        for window in spawns.windows(policy.crashes + 1) {
            let span = window[policy.crashes] - window[0];
            prop_assert!(span >= policy.window_ms.min(policy.open_ms), "{spawns:?}");
        }
    }

    /// Tools are taken out and brought back in turns, and a process that is to go is killed once.
    #[test]
    fn down_and_up_alternate(history in prop::collection::vec((any_event(), 0u64..100_000), 1..300)) {
        let mut run = Run::new();
        run.event(Event::Start);
        for (event, pause) in history {
            run.wait(pause).event(event);
        }
        let mut is_down = false;
        for (_, action) in &run.actions {
            match action {
                Action::TakeDown { .. } => {
                    prop_assert!(!is_down);
                    is_down = true;
                }
                Action::BringUp => {
                    prop_assert!(is_down);
                    is_down = false;
                }
                _ => {}
            }
        }
    }
}
