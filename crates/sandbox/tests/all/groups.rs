//! Control groups: what they bound and end, and what is not bounded without them.
//!
//! All of it needs a group that is delegated to the user of this run. Where there is none these tests
//! pass without having looked, and say so on standard error; `tests/vm/run` runs them where there is one.
//! That is why their names are not those of attacks, which are counted.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use keyway_sandbox::{Confined, Ended, Handover, Jail, Limits, Mechanism, Missing, Probe, Program};
use rustix::process::{Pid, Signal, kill_process};

use super::scene::{HOSTILE, Report, Scene, eventually, processes_with, text};

/// What a tree is held together with beside the group.
const HELD: &[&[&str]] = &[&[], &["namespaces=none"]];

/// A group for the jails of one test, which goes with it.
struct Parent {
    path: PathBuf,
}

impl Parent {
    /// Makes one that hands down these controllers, or says that none can be made.
    fn with(controllers: &[&str]) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        let made = above()
            .into_iter()
            .filter(|group| hands_down(group, controllers))
            .map(|group| group.join(&name))
            .find(|path| fs::create_dir(path).is_ok());
        let Some(path) = made else {
            // Not through the macro, whose lines are only shown when a test fails.
            let skipped = format!("skipped: no control group with {controllers:?} is delegated\n");
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            return None;
        };
        for controller in controllers {
            write(
                &path.join("cgroup.subtree_control"),
                &format!("+{controller}"),
            );
        }
        Some(Self { path })
    }

    /// The groups below it that are there now.
    fn groups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).unwrap().flatten();
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        folders.map(|entry| entry.path()).collect()
    }

    fn option(&self) -> String {
        format!("cgroup={}", text(&self.path))
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// The group of this process and those above it, nearest first.
fn above() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mounted = mounts.lines().find(|line| line.contains(" cgroup2 "));
    let Some(root) = mounted.and_then(|line| line.split(' ').nth(1)) else {
        return Vec::new();
    };
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let own = Path::new(root).join(own.unwrap_or_default());
    let all = own.ancestors().take_while(|group| group.starts_with(root));
    all.map(Path::to_owned).collect()
}

fn hands_down(group: &Path, controllers: &[&str]) -> bool {
    let handed = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    let has = |name: &&str| handed.split_whitespace().any(|handed| handed == *name);
    controllers.iter().all(has)
}

fn write(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Runs a host as the user of this run.
fn run(options: &[&str], program: &[&str]) -> Report {
    let user = rustix::process::geteuid().as_raw();
    Scene::new(user).run(options, program)
}

#[test]
fn a_group_holds_the_program_is_reported_and_goes_with_it() {
    let Some(parent) = Parent::with(&[]) else {
        return;
    };
    let bare = Probe::detect().without_namespaces();
    for jail in [Jail::new(), Jail::new().probe(bare)] {
        let jail = jail.cgroup(&parent.path);
        let program = Program::at("/bin/sleep").arg("1000");
        let mut confined = jail.spawn(&program, Handover::new()).unwrap();
        let groups = parent.groups();
        assert_eq!(groups.len(), 1);
        let members = fs::read_to_string(groups[0].join("cgroup.procs")).unwrap();
        assert_eq!(members.lines().count(), 2, "the reaper and the program");
        assert!(confined.reached().mechanisms().contains(&Mechanism::Cgroup));
        assert!(!confined.reached().lacks(Missing::ProcessTree));
        confined.kill().unwrap();
        assert_eq!(confined.wait().unwrap(), Ended::Killed);
        drop(confined);
        assert_eq!(parent.groups(), Vec::<PathBuf>::new());
    }
}

#[test]
fn memory_of_all_processes_together_stops_at_the_groups_limit_and_the_reason_is_named() {
    let Some(parent) = Parent::with(&["memory", "pids"]) else {
        return;
    };
    let crowd = ["bomb", "crowd", "100"];
    for held in HELD {
        let options = [*held, &["memory=67108864"]].concat();
        let report = run(&[&options[..], &[&parent.option()]].concat(), &crowd);
        assert_eq!(report.word("ended"), "Limited(Memory)", "{report:#?}");
        assert!(!report.said.contains_key("got"), "{report:#?}");
        assert!(report.said["mechanism"].contains(&"cgroup".to_owned()));
        assert!(!report.missing.contains("MemoryTotal"), "{report:#?}");
        assert_eq!(parent.groups(), Vec::<PathBuf>::new());

        let control = run(&options, &crowd);
        assert_eq!(control.word("ended"), "Exited(0)", "{control:#?}");
        assert_eq!(control.word("got"), "98");
        assert!(control.missing.contains("MemoryTotal"));
    }
}

#[test]
fn a_fork_bomb_stops_at_the_groups_limit_for_an_administrator_too() {
    let Some(parent) = Parent::with(&["memory", "pids"]) else {
        return;
    };
    let (bomb, group) = (["bomb", "processes", "100"], parent.option());
    for held in HELD {
        let options = [*held, &["processes=16", &group]].concat();
        let report = run(&options, &bomb);
        assert_eq!(report.word("got"), "15", "{report:#?}");
        assert!(!report.missing.contains("ProcessCount"));
        assert_eq!(parent.groups(), Vec::<PathBuf>::new());
    }
    // Nothing else bounds them without namespaces, whoever runs them.
    let control = run(&["processes=16", "namespaces=none"], &bomb);
    assert_eq!(control.word("got"), "100", "{control:#?}");
    assert!(control.missing.contains("ProcessCount"));
}

#[test]
fn a_group_ends_what_its_reaper_no_longer_can() {
    let Some(parent) = Parent::with(&[]) else {
        return;
    };
    let bare = Jail::new().probe(Probe::detect().without_namespaces());
    let grouped = bare.clone().cgroup(&parent.path);
    for (jail, left) in [(grouped, 0), (bare, 1)] {
        let mark = format!("group-{}-{left}", text(&parent.path));
        let mut confined = hidden(jail, &mark);
        let reaper = Pid::from_raw(confined.pid().cast_signed()).unwrap();
        kill_process(reaper, Signal::KILL).unwrap();
        assert_eq!(confined.wait().unwrap(), Ended::Killed);
        // The program ends with its reaper; what it hid does not.
        assert!(eventually(|| processes_with(&mark).len() <= 1));
        let hidden = processes_with(&mark);
        assert_eq!(hidden.len(), left);
        for pid in hidden {
            let pid = Pid::from_raw(pid.cast_signed()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
        }
        drop(confined);
        assert_eq!(parent.groups(), Vec::<PathBuf>::new());
    }
}

/// Starts a program that hides a process, and waits until it is there.
fn hidden(jail: Jail, mark: &str) -> Confined {
    let program = Program::at(HOSTILE).args(["daemon", "stay", mark]);
    let jail = jail.read(HOSTILE);
    let mut confined = jail.spawn(&program, Handover::new()).unwrap();
    let out = fs::File::from(confined.take_stdout().unwrap());
    BufReader::new(out).read_line(&mut String::new()).unwrap();
    assert_eq!(processes_with(mark).len(), 2);
    confined
}

#[test]
fn a_folder_that_is_no_group_of_version_2_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    // What a group of version 1 has as well.
    write(&folder.path().join("cgroup.procs"), "");
    let bare = Probe::detect().without_namespaces();
    let jail = Jail::new().probe(bare).cgroup(folder.path());
    let expected = jail.limits(Limits::default()).expected();
    assert!(!expected.mechanisms().contains(&Mechanism::Cgroup));
    assert!(expected.lacks(Missing::ProcessTree));
    let error = Jail::new().cgroup(folder.path());
    let error = error.spawn(&Program::at("/bin/true"), Handover::new());
    assert_eq!(error.unwrap_err().code(), "SANDBOX_CGROUP");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
