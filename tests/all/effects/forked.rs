//! A child between fork and exec has a copy of every open file, and with it of every lock.

use std::fs::{File, TryLockError};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keyway_effects::EffectLimits;
use keyway_effects::state::StateFolder;
use keyway_host::file_lock::lock_within;

use super::plugin;

/// Runs something while another thread starts children that take long to find their program:
/// they look for it in thousands of folders, and have their parent's files all the while.
fn beside_children<T>(work: impl FnOnce() -> T) -> T {
    let folders = "/absent:".repeat(8000);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let mut child = Command::new("keyway-no-such-program");
                let started = child.env("PATH", &folders).spawn();
                assert!(started.is_err(), "the program is there");
            }
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

/// Takes the lock of a file and gives it back, again and again; says how often it was taken.
fn refusals(rounds: usize, patience: Duration) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let mut refused = 0;
    beside_children(|| {
        for _ in 0..rounds {
            let file = File::create(&path).unwrap();
            match lock_within(&file, patience) {
                Ok(()) => thread::yield_now(),
                Err(TryLockError::WouldBlock) => refused += 1,
                Err(TryLockError::Error(error)) => panic!("{error}"),
            }
        }
    });
    refused
}

/// The control: whoever does not wait is told that a lock is taken which nobody holds.
#[test]
fn a_lock_lives_on_in_a_child_that_has_not_begun() {
    assert!(refusals(20_000, Duration::ZERO) > 0);
}

#[test]
fn a_lock_is_waited_for_while_children_start() {
    assert_eq!(refusals(200, Duration::from_secs(20)), 0);
}

#[test]
fn state_opens_and_closes_while_children_start() {
    let folder = tempfile::tempdir().unwrap();
    beside_children(|| {
        for round in 0..200_u8 {
            let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
            let state = states.plugin(&plugin("a"), 100).unwrap();
            state.put("round", &[round]).unwrap();
        }
    });
}
