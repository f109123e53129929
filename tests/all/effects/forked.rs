//! A child between fork and exec has a copy of every open file, and with it of every lock.

use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyway_effects::EffectLimits;
use keyway_effects::state::StateFolder;
use keyway_host::file_lock::lock_within;

use super::plugin;

/// No machine takes so long.
const CEILING: Duration = Duration::from_secs(60);

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
        // Work that fails ends the thread, too; the scope would wait for it for ever.
        let done = catch_unwind(AssertUnwindSafe(work));
        is_over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|failed| resume_unwind(failed))
    })
}

/// Takes the lock of a file and gives it back; says whether it was refused.
fn is_refused(path: &Path, patience: Duration) -> bool {
    let file = File::create(path).unwrap();
    match lock_within(&file, patience) {
        Ok(()) => thread::yield_now(),
        Err(TryLockError::WouldBlock) => return true,
        Err(TryLockError::Error(error)) => panic!("{error}"),
    }
    false
}

/// The control: whoever does not wait is told that a lock is taken which nobody holds.
#[test]
fn a_lock_lives_on_in_a_child_that_has_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let began = Instant::now();
    beside_children(|| {
        // However long the two threads take to meet, in the end they do.
        while !is_refused(&path, Duration::ZERO) {
            assert!(began.elapsed() < CEILING, "never refused");
        }
    });
}

#[test]
fn a_lock_is_waited_for_while_children_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    beside_children(|| {
        for _ in 0..200 {
            assert!(!is_refused(&path, CEILING));
        }
    });
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
