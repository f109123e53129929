//! The question that `install` asks on a terminal. Needs `script` for the terminal; where that
//! is not installed there is nothing to test with.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::bench::{Bench, fixture};
use crate::support::binary;

/// Types an answer at a terminal on which `keyway plugin install` runs; returns what it shows.
#[track_caller]
fn answered(bench: &Bench, answer: &str) -> Option<String> {
    let path = fixture("github-tools");
    let typed = format!(
        "{} plugin install {}",
        binary("keyway").display(),
        path.display()
    );
    let mut child = Command::new("script")
        .args(["-qec", &typed, "/dev/null"])
        .current_dir(bench.path(""))
        .env_remove("KEYWAY_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{answer}").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_person_is_shown_the_requests_and_asked() {
    for (answer, status) in [
        ("y", "enabled"),
        ("n", "pending"),
        ("", "pending"),
        ("maybe", "pending"),
    ] {
        let bench = Bench::new();
        let Some(shown) = answered(&bench, answer) else {
            return;
        };
        let asked = shown.find("Let it run? [y/N]");
        let request = shown.find("network:api.github.com [required]: reads issues");
        assert!(request.is_some() && request < asked, "{shown}");
        assert_eq!(bench.status("github-tools"), status, "{answer}: {shown}");
    }
}

#[test]
fn nobody_is_asked_where_there_is_no_terminal() {
    let bench = Bench::new();
    let ran = bench.install("github-tools");
    assert!(!ran.err.contains("[y/N]"), "{ran:#?}");
    assert!(
        ran.err
            .contains("help: to let it run: keyway plugin approve github-tools"),
        "{ran:#?}"
    );
}
