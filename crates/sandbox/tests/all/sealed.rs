//! The bytes that were approved are the bytes that run.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_sandbox::{Confined, Ended, Handover, Jail, Program};

use super::scene::not_busy;

/// How often each of the two programs must have been met before a race has shown anything.
const MEETINGS: usize = 100;

/// A path at which a good program (`true`) can be swapped for a bad one (`false`) and back.
struct Swap {
    path: PathBuf,
    good: PathBuf,
    bad: PathBuf,
    next: PathBuf,
    _folder: tempfile::TempDir,
}

impl Swap {
    /// Lays the good program at the path.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [path, good, bad, next] =
            ["program", "good", "bad", "next"].map(|name| folder.path().join(name));
        fs::copy("/bin/true", &good).unwrap();
        fs::copy("/bin/false", &bad).unwrap();
        fs::hard_link(&good, &path).unwrap();
        Self {
            path,
            good,
            bad,
            next,
            _folder: folder,
        }
    }

    fn put(&self, program: &Path) {
        fs::hard_link(program, &self.next).unwrap();
        fs::rename(&self.next, &self.path).unwrap();
    }

    /// Swaps the programs again and again in a thread of its own while `race` runs.
    fn forever_while(&self, race: impl FnOnce()) {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for program in [&self.bad, &self.good].into_iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    self.put(program);
                }
            });
            // A race that fails ends the thread, too; the scope would wait for it for ever.
            let raced = catch_unwind(AssertUnwindSafe(race));
            stop.store(true, Ordering::Relaxed);
            raced.unwrap_or_else(|failed| resume_unwind(failed));
        });
    }
}

fn run(program: &Program) -> Ended {
    let mut confined: Confined = Jail::new().spawn(program, Handover::new()).unwrap();
    confined.wait().unwrap()
}

#[test]
fn s_d6_a_swap_between_hash_and_start_never_runs_other_bytes() {
    let swap = Swap::new();
    let program = Program::sealed(&swap.path).unwrap();
    let approved = *Program::sealed("/bin/true").unwrap().digest().unwrap();
    assert_eq!(*program.digest().unwrap(), approved);
    swap.put(&swap.bad);
    assert_eq!(run(&program), Ended::Exited(0));
}

#[test]
fn s_d6_control_a_swap_between_hash_and_start_runs_other_bytes_at_a_path() {
    let swap = Swap::new();
    assert_eq!(
        fs::read(&swap.path).unwrap(),
        fs::read("/bin/true").unwrap()
    );
    swap.put(&swap.bad);
    let ran = not_busy(|| Command::new(&swap.path).status());
    assert!(!ran.success());
}

#[test]
fn s_d6_swaps_at_any_moment_never_run_other_bytes() {
    let approved = *Program::sealed("/bin/true").unwrap().digest().unwrap();
    let swap = Swap::new();
    let (mut ran, mut refused) = (0, 0);
    swap.forever_while(|| {
        while ran < MEETINGS || refused < MEETINGS {
            let program = Program::sealed(&swap.path).unwrap();
            if *program.digest().unwrap() != approved {
                refused += 1;
                continue;
            }
            assert_eq!(run(&program), Ended::Exited(0));
            ran += 1;
        }
    });
}

#[test]
fn s_d6_sealed_bytes_cannot_be_changed_through_what_the_program_has_open() {
    let program = Program::sealed("/bin/sh").unwrap();
    let line = "echo spoiled > /proc/self/exe || exit 7";
    let mut confined = Jail::new()
        .spawn(&program.clone().args(["-c", line]), Handover::new())
        .unwrap();
    assert_ne!(confined.wait().unwrap(), Ended::Exited(0));
    let mut again = Jail::new()
        .spawn(&program.args(["-c", "exit 5"]), Handover::new())
        .unwrap();
    assert_eq!(again.wait().unwrap(), Ended::Exited(5));
}

#[test]
fn s_d6_what_is_handed_over_never_takes_the_place_of_the_sealed_bytes() {
    // The number of the sealed bytes is a low one in this process, and so is one of these.
    let program = Program::sealed("/bin/true").unwrap();
    let other = File::open("/bin/false").unwrap();
    let handover = (0..32).fold(Handover::new(), |all, _| all.fd(other.try_clone().unwrap()));
    let mut confined = Jail::new().spawn(&program, handover).unwrap();
    assert_eq!(confined.wait().unwrap(), Ended::Exited(0));
}

#[test]
fn only_native_programs_are_sealed() {
    let error = Program::sealed_from(&b"#!/bin/sh\necho"[..], "/srv/run.sh").unwrap_err();
    assert_eq!(error.code(), "PROGRAM_NOT_NATIVE");
    assert_eq!(
        error.to_string(),
        "/srv/run.sh is not a native program (ELF); run a script through its interpreter, with Program::at"
    );
    let error = Program::sealed("/nowhere/at/all").unwrap_err();
    assert_eq!(error.code(), "PROGRAM_READ");
}
