//! No process stays behind.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Command;

use keyway_sandbox::{Handover, Jail, Probe, Program};

use super::scene::{Host, Scene, eventually, not_busy, ordinary, processes_with, users};

/// With what a tree is held together: by the kernel, or by the reaper alone.
const HELD: &[&[&str]] = &[&[], &["namespaces=none"]];

/// Starts a host whose program leaves a hidden process behind, and waits until it is there.
fn hidden(scene: &Scene, options: &[&str], wish: &str) -> (Host, String) {
    let mark = format!("daemon-{}-{}", wish, scene.path().display());
    let mut host = scene.start(options, &["daemon", wish, &mark]);
    host.until("pid");
    host.until("ready");
    (host, mark)
}

fn none_left(mark: &str) -> bool {
    // The host carries the mark among its own arguments too.
    eventually(|| processes_with(mark).is_empty())
}

#[test]
fn s_b6_a_program_that_ends_leaves_no_process() {
    for user in users() {
        for options in HELD {
            let scene = Scene::new(user);
            let (mut host, mark) = hidden(&scene, options, "end");
            host.until("ended");
            host.child.wait().unwrap();
            assert!(none_left(&mark), "{options:?}");
        }
    }
}

#[test]
fn s_b6_a_killed_host_leaves_no_process() {
    for user in users() {
        for options in HELD {
            let scene = Scene::new(user);
            let (mut host, mark) = hidden(&scene, options, "stay");
            assert!(
                processes_with(&mark).len() >= 3,
                "the program, its hidden process and its host"
            );
            host.child.kill().unwrap();
            host.child.wait().unwrap();
            assert!(none_left(&mark), "{options:?}");
        }
    }
}

#[test]
fn s_b6_a_killed_program_leaves_no_process() {
    let bare = Probe::detect().without_namespaces();
    for jail in [Jail::new(), Jail::new().probe(bare)] {
        let scene = Scene::new(ordinary());
        let mark = format!("daemon-killed-{}", scene.path().display());
        let code = scene.path().join("plugin/code");
        let program = Program::at(&code).args(["daemon", "stay", &mark]);
        let jail = jail.read(code);
        let mut confined = not_busy(|| jail.spawn(&program, Handover::new()));
        let out = File::from(confined.take_stdout().unwrap());
        BufReader::new(out).read_line(&mut String::new()).unwrap();
        assert_eq!(processes_with(&mark).len(), 2);
        confined.kill().unwrap();
        confined.wait().unwrap();
        assert!(
            processes_with(&mark).is_empty(),
            "gone when the wait returns"
        );
    }
}

#[test]
fn s_b6_control_a_plain_program_leaves_its_hidden_process() {
    for user in users() {
        let scene = Scene::new(user);
        let mark = format!("daemon-plain-{}", scene.path().display());
        let mut host = scene.start(&["plain=1"], &["daemon", "stay", &mark]);
        let pid = host.until("pid");
        host.until("ready");
        kill(&pid);
        host.until("ended");
        host.child.wait().unwrap();
        let left = processes_with(&mark);
        assert_eq!(left.len(), 1);
        kill(&left[0].to_string());
    }
}

fn kill(pid: &str) {
    assert!(
        Command::new("kill")
            .args(["-9", pid])
            .status()
            .unwrap()
            .success()
    );
}
