//! The heartbeat: silence, misses, suspends.

use keyway_channel::pulse::{Beat, Pulse, PulseLimits};

/// Polls at the times it is told to, `late` ms later each, until something is decided.
fn follow(pulse: &mut Pulse, now: &mut u64, late: u64) -> Beat {
    loop {
        match pulse.poll(*now) {
            Beat::WaitUntil(then) => *now = then + late,
            beat => return beat,
        }
    }
}

#[test]
fn silence_is_pinged_and_three_misses_are_death() {
    let (mut pulse, mut now) = (Pulse::new(PulseLimits::default(), 0), 0);
    for at in [5_000, 10_000, 15_000] {
        assert_eq!(follow(&mut pulse, &mut now, 0), Beat::Ping);
        assert_eq!(now, at);
    }
    assert_eq!(follow(&mut pulse, &mut now, 0), Beat::Dead);
    assert_eq!(now, 20_000);
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let (mut pulse, mut now) = (Pulse::new(PulseLimits::default(), 0), 0);
    for _ in 0..100 {
        assert_eq!(follow(&mut pulse, &mut now, 0), Beat::Ping);
        assert_eq!(follow(&mut pulse, &mut now, 0), Beat::Ping);
        now += 1;
        pulse.heard(now);
    }
    // Frames that come all the time need no ping at all.
    for _ in 0..100 {
        now += 4_999;
        assert!(matches!(pulse.poll(now), Beat::WaitUntil(_)));
        pulse.heard(now);
    }
}

#[test]
fn l12_after_a_suspend_a_fresh_ping_has_to_fail_first() {
    let (mut pulse, mut now) = (Pulse::new(PulseLimits::default(), 0), 0);
    for _ in 0..3 {
        assert_eq!(follow(&mut pulse, &mut now, 0), Beat::Ping);
    }
    // The machine sleeps for an hour in the third ping. Nobody could have answered.
    now += 3_600_000;
    assert_eq!(pulse.poll(now), Beat::Ping, "not dead: a fresh ping");
    let mut alive = pulse.clone();
    alive.heard(now + 10);
    assert!(matches!(alive.poll(now + 10), Beat::WaitUntil(_)));
    assert_eq!(follow(&mut pulse, &mut now, 0), Beat::Dead, "it failed");
    // Control: without the jump the third miss is death at once.
    let (mut awake, mut now) = (Pulse::new(PulseLimits::default(), 0), 0);
    for _ in 0..3 {
        assert_eq!(follow(&mut awake, &mut now, 0), Beat::Ping);
    }
    assert_eq!(awake.poll(now + 5_000), Beat::Dead);
}

#[test]
fn polling_a_little_late_changes_nothing() {
    let (mut pulse, mut now) = (Pulse::new(PulseLimits::default(), 0), 0);
    for _ in 0..3 {
        assert_eq!(follow(&mut pulse, &mut now, 900), Beat::Ping);
    }
    assert_eq!(follow(&mut pulse, &mut now, 900), Beat::Dead);
}

#[test]
fn a_clock_that_goes_back_or_ends_is_survived() {
    let mut pulse = Pulse::new(PulseLimits::default(), u64::MAX - 1);
    assert!(matches!(pulse.poll(0), Beat::WaitUntil(u64::MAX)));
    assert_eq!(pulse.poll(u64::MAX), Beat::Ping);
    let limits = PulseLimits::default().with_idle_ms(100).with_misses(1);
    let (mut quick, mut now) = (Pulse::new(limits, 0), 0);
    assert_eq!(follow(&mut quick, &mut now, 0), Beat::Ping);
    assert_eq!(follow(&mut quick, &mut now, 0), Beat::Dead);
    assert_eq!(now, 200);
}
