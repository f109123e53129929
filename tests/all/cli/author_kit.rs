//! What `keyway new` writes, built and tested; what `keyway check` finds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::bench::{Bench, manifest};

pub(super) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

#[test]
fn a_new_plugin_builds_and_passes_its_own_tests() {
    let bench = Bench::new();
    let root = root();
    bench.ok(&format!(
        "new weather-tools --keyway-path {}",
        root.display()
    ));
    let output = cargo(&bench.path("weather-tools"), &["test"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("test result: ok. 2 passed"), "{said}");
    assert!(!complained.contains("warning"), "{complained}");
}

/// Runs cargo for a plugin without a network, with the versions and into the folder of this
/// workspace.
pub(super) fn cargo(plugin: &Path, arguments: &[&str]) -> Output {
    std::fs::copy(root().join("Cargo.lock"), plugin.join("Cargo.lock")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).arg("--offline").current_dir(plugin);
    offline_in_our_target(&mut command);
    command.output().unwrap()
}

/// Sets a command up so that the cargo that it is, or starts, builds into this workspace's folder.
pub(super) fn offline_in_our_target(command: &mut Command) {
    let tests = std::env::current_exe().unwrap();
    let target = tests.ancestors().nth(3).unwrap();
    command
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("CARGO_PROFILE_TEST_DEBUG", "line-tables-only");
    // Build scripts that watch these would run again at every turn between the two cargos.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

#[test]
fn s_e1_new_makes_no_folder_from_a_naughty_name() {
    let bench = Bench::new();
    let inside = bench.path("inside");
    std::fs::create_dir(&inside).unwrap();
    let new = |arguments: &[&str]| {
        let mut command = bench.command_of([&["new"], arguments].concat());
        command.current_dir(&inside).output().unwrap()
    };
    for name in ["../x", "/tmp/x", "a/b", "A", ".", "..", "a b", "a\nb", ""] {
        let output = new(&[name]);
        assert_eq!(output.status.code(), Some(1), "{name:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("[NAME_INVALID]"), "{name:?}: {said}");
    }
    assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 0);
    assert!(!bench.path("x").exists());
    // Control: the same folder, named openly instead of hidden in a name, is written to.
    assert!(new(&["x", "--dir", "../x"]).status.success());
    assert!(bench.path("x/plugin.json").is_file());
}

/// Returns the codes that `check --json` reports for a manifest fixture, problems then notices.
#[track_caller]
fn codes(bench: &Bench, path: &str) -> Vec<String> {
    let ran = bench.run(&format!("check {path} --json"));
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["success"], json!(ran.code == 0), "{report:#}");
    let problems = report["problems"].as_array().unwrap();
    let notices = report["notices"].as_array().unwrap();
    assert_eq!(problems.is_empty(), ran.code == 0, "{report:#}");
    let both = problems.iter().chain(notices);
    both.map(|one| one["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn l05_check_lists_every_problem_at_once() {
    let bench = Bench::new();
    let fixtures = root().join("tests/fixtures/manifests");
    for (fixture, expected) in [
        (
            "broken-l05-everything-at-once",
            &[
                "NAME_INVALID",
                "UNKNOWN_SLOT",
                "UNKNOWN_CAPABILITY",
                "MISSING_FIELD",
                "RISK_TOO_LOW",
                "DUPLICATE_TOOL",
                "RUNTIME_REQUIRED",
            ][..],
        ),
        (
            "fine-unknown-top-level-field",
            &["UNKNOWN_FIELD", "UNKNOWN_FIELD"],
        ),
        ("full-example", &["COMMAND_MISSING"]),
        ("fine-standard-only", &[]),
        ("there-is-no-such-folder", &["UNREADABLE"]),
    ] {
        let path = fixtures.join(fixture);
        assert_eq!(codes(&bench, path.to_str().unwrap()), expected, "{fixture}");
    }
}

#[test]
fn check_finds_what_this_host_would_refuse() {
    let bench = Bench::new();
    for (extension, code) in [
        (json!({ "api": ">=7, <8" }), "API_INCOMPATIBLE"),
        (
            json!({ "settings": { "type": "object", "allOf": [{ "$ref": "#" }] } }),
            "SCHEMA_CYCLE",
        ),
    ] {
        let package = bench.package("p", &manifest("p", "1.0.0", &extension));
        assert_eq!(codes(&bench, &package), [code]);
    }
}
