//! The bytes that were approved are the bytes that run.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_sandbox::{Ended, Handover, Jail, Program};

const RACES: usize = 1000;

/// Calls back again and again while another thread swaps a good program (`true`) for a bad one
/// (`false`) and back.
fn while_swapping(mut race: impl FnMut(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let [path, good, bad, next] = ["program", "good", "bad", "next"].map(|n| folder.path().join(n));
    let stop = AtomicBool::new(false);
    fs::copy("/bin/true", &good).unwrap();
    fs::copy("/bin/false", &bad).unwrap();
    fs::hard_link(&good, &path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for from in [&bad, &good].into_iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                fs::hard_link(from, &next).unwrap();
                fs::rename(&next, &path).unwrap();
            }
        });
        (0..RACES).for_each(|_| race(&path));
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn s_d6_a_swap_between_hash_and_start_never_runs_other_bytes() {
    let approved = *Program::sealed("/bin/true").unwrap().digest().unwrap();
    let (mut ran, mut refused) = (0, 0);
    let jail = Jail::new();
    while_swapping(|path| {
        let program = Program::sealed(path).unwrap();
        if *program.digest().unwrap() != approved {
            refused += 1;
            return;
        }
        let mut confined = jail.spawn(&program, Handover::new()).unwrap();
        assert_eq!(confined.wait().unwrap(), Ended::Exited(0));
        ran += 1;
    });
    assert!(ran > 0 && refused > 0, "{ran} ran, {refused} were refused");
}

#[test]
fn s_d6_control_a_swap_between_hash_and_start_runs_other_bytes_at_a_path() {
    let approved = fs::read("/bin/true").unwrap();
    let mut other = 0;
    while_swapping(|path| {
        if fs::read(path).unwrap() == approved {
            let status = Command::new(path).status();
            other += usize::from(status.is_ok_and(|status| !status.success()));
        }
    });
    assert!(other > 0);
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
