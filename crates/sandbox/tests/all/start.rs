//! Starting, watching and stopping.

use std::fs;
use std::io::{BufRead as _, BufReader};

use keyway_sandbox::{Ended, Environment, Handover, Jail, Probe, Program};

use super::scene::{eventually, pause};

fn sh(line: &str) -> Program {
    Program::at("/bin/sh").args(["-c", line])
}

/// Jails held together by the kernel, and by the reaper alone.
fn jails() -> [Jail; 2] {
    let bare = Probe::detect().without_namespaces();
    [Jail::new(), Jail::new().probe(bare)]
}

#[test]
fn an_end_is_told_apart() {
    for jail in jails() {
        for (line, expected) in [
            ("exit 0", Ended::Exited(0)),
            ("exit 9", Ended::Exited(9)),
            ("kill -SEGV $$", Ended::Signalled(11)),
            ("kill -KILL $$", Ended::Signalled(9)),
            // The host ignores this one, as every Rust program does; its children do not.
            ("kill -PIPE $$", Ended::Signalled(13)),
        ] {
            let mut confined = jail.spawn(&sh(line), Handover::new()).unwrap();
            assert_eq!(confined.wait().unwrap(), expected, "{line}");
            assert_eq!(confined.try_wait().unwrap(), Some(expected));
            confined.kill().unwrap();
            confined.terminate().unwrap();
        }
    }
}

#[test]
fn a_running_program_can_be_asked_to_end_and_be_killed() {
    for jail in jails() {
        let mut asked = jail
            .spawn(
                &sh("trap 'exit 3' TERM; echo; while :; do sleep 0.05; done"),
                Handover::new(),
            )
            .unwrap();
        let out = fs::File::from(asked.take_stdout().unwrap());
        BufReader::new(out).read_line(&mut String::new()).unwrap();
        assert_eq!(asked.try_wait().unwrap(), None);
        asked.terminate().unwrap();
        assert_eq!(asked.wait().unwrap(), Ended::Exited(3));

        let mut killed = jail
            .spawn(&Program::at("/bin/sleep").arg("1000"), Handover::new())
            .unwrap();
        killed.kill().unwrap();
        assert_eq!(killed.wait().unwrap(), Ended::Killed);
    }
}

#[test]
fn a_dropped_program_is_gone() {
    for jail in jails() {
        let mark = format!("1000.{}", std::process::id());
        let confined = jail
            .spawn(&Program::at("/bin/sleep").arg(&mark), Handover::new())
            .unwrap();
        assert!(eventually(|| super::scene::processes_with(&mark).len() == 1));
        drop(confined);
        assert!(eventually(|| super::scene::processes_with(&mark).is_empty()));
    }
}

#[test]
fn b6_a_program_outlives_the_thread_that_started_it() {
    let start = || Jail::new().spawn(&Program::at("/bin/sleep").arg("1000"), Handover::new());
    let mut confined = std::thread::spawn(start).join().unwrap().unwrap();
    pause(300);
    assert_eq!(confined.try_wait().unwrap(), None);
}

#[test]
fn s_c5_the_reaper_keeps_nothing_of_the_hosts_memory() {
    // Made at run time, so that it is in no file that is mapped.
    let secret: Vec<u8> = (0..64_u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
    let kept = vec![secret.clone(); 64];
    assert!(
        holds(std::process::id(), &secret),
        "the control: the host holds it"
    );
    for jail in jails() {
        let sleeping = jail
            .spawn(&Program::at("/bin/sleep").arg("1000"), Handover::new())
            .unwrap();
        let forgotten = eventually(|| !holds(sleeping.pid(), &secret));
        assert!(
            forgotten || !can_look(),
            "the reaper holds the host's secret"
        );
    }
    assert_eq!(kept.len(), 64);
}

/// Only an administrator can look into a process that hides its memory.
fn can_look() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns whether the writable memory of a process holds these bytes.
fn holds(pid: u32, bytes: &[u8]) -> bool {
    use std::os::unix::fs::FileExt as _;
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else {
        return true;
    };
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    maps.lines()
        .filter(|line| line.contains(" rw"))
        .any(|line| {
            let (range, _) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).unwrap());
            let mut part = vec![0; usize::try_from(to - from).unwrap()];
            memory.read_exact_at(&mut part, from).is_ok()
                && part.windows(bytes.len()).any(|window| window == bytes)
        })
}

#[test]
fn a_start_that_fails_says_at_what() {
    let nothing = tempfile::tempdir().unwrap();
    let spawn = |jail: Jail, program: Program| jail.spawn(&program, Handover::new()).unwrap_err();
    let error = spawn(Jail::new(), Program::at("/usr/bin/no-such-program"));
    assert_eq!(error.code(), "SANDBOX_STEP");
    assert!(
        error
            .to_string()
            .starts_with("the confined child failed at executing the program: No such file"),
        "{error}"
    );
    for probe in [Probe::detect(), Probe::detect().with_landlock_at_most(0)] {
        let jail = Jail::new().probe(probe).read("/no/such/path");
        let error = spawn(jail, Program::at("/bin/true"));
        assert_eq!(error.code(), "SANDBOX_PATH");
    }
    let error = spawn(
        Jail::new().working_dir("/no/such/path"),
        Program::at("/bin/true"),
    );
    assert!(
        error.to_string().contains("entering its working folder"),
        "{error}"
    );
    let error = spawn(Jail::new(), Program::at("/bin/true").arg("a\0b"));
    assert_eq!(error.code(), "SANDBOX_NUL");
    let error = spawn(
        Jail::new().cgroup(nothing.path().join("x")),
        Program::at("/bin/true"),
    );
    assert_eq!(error.code(), "SANDBOX_CGROUP");
    let many = (0..33).fold(Handover::new(), |all, _| {
        all.fd(fs::File::open("/dev/null").unwrap())
    });
    let error = Jail::new()
        .spawn(&Program::at("/bin/true"), many)
        .unwrap_err();
    assert_eq!(error.code(), "SANDBOX_TOO_MANY_DESCRIPTORS");
}

#[test]
fn s_c6_names_of_loaders_and_interpreters_are_never_handed_on() {
    for (name, code) in [
        ("LD_PRELOAD", "ENVIRONMENT_DANGEROUS"),
        ("ld_audit", "ENVIRONMENT_DANGEROUS"),
        ("DYLD_INSERT_LIBRARIES", "ENVIRONMENT_DANGEROUS"),
        ("GLIBC_TUNABLES", "ENVIRONMENT_DANGEROUS"),
        ("PYTHONSTARTUP", "ENVIRONMENT_DANGEROUS"),
        ("NODE_OPTIONS", "ENVIRONMENT_DANGEROUS"),
        ("PERL5OPT", "ENVIRONMENT_DANGEROUS"),
        ("RUBYOPT", "ENVIRONMENT_DANGEROUS"),
        ("JAVA_TOOL_OPTIONS", "ENVIRONMENT_DANGEROUS"),
        ("BASH_ENV", "ENVIRONMENT_DANGEROUS"),
        ("BASH_FUNC_ls%%", "ENVIRONMENT_DANGEROUS"),
        ("GIT_SSH_COMMAND", "ENVIRONMENT_DANGEROUS"),
        ("npm_config_script_shell", "ENVIRONMENT_DANGEROUS"),
        ("PATH", "ENVIRONMENT_RESERVED"),
        ("HOME", "ENVIRONMENT_RESERVED"),
        ("A=B", "ENVIRONMENT_MALFORMED"),
        ("1A", "ENVIRONMENT_MALFORMED"),
        ("", "ENVIRONMENT_MALFORMED"),
    ] {
        assert_eq!(
            Environment::new().with(name, "x").unwrap_err().code(),
            code,
            "{name}"
        );
    }
    assert_eq!(
        Environment::new().with("A", "a\0b").unwrap_err().code(),
        "ENVIRONMENT_MALFORMED"
    );
    let fine = Environment::new().with("API_KEY", "k-123").unwrap();
    assert_eq!(format!("{fine:?}"), r#"{"API_KEY"}"#);
}
