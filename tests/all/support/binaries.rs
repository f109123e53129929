//! The workspace's own programs, built once per test run and found again by path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

static BUILT: OnceLock<Mutex<BTreeMap<String, PathBuf>>> = OnceLock::new();

/// Builds the program of a workspace package, in the profile of these tests, and returns its path.
///
/// `binary("keyway")`, `binary("quickstart")`. The first call for a package runs cargo, the
/// others answer at once; callers on other threads wait for the build.
#[track_caller]
pub(crate) fn binary(package: &str) -> PathBuf {
    let mut built = BUILT
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    built
        .entry(package.to_owned())
        .or_insert_with(|| build(package))
        .clone()
}

#[track_caller]
fn build(package: &str) -> PathBuf {
    let output = cargo_build(package).output().unwrap();
    assert!(
        output.status.success(),
        "cargo build -p {package} failed:\n{}",
        String::from_utf8_lossy(&output.stderr),
    );
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().filter_map(executable_of).next_back();
    executable.unwrap_or_else(|| panic!("package {package} has no program"))
}

fn cargo_build(package: &str) -> Command {
    let profile_dir = profile_dir();
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--package", package, "--bins"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(profile_dir.parent().unwrap())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null());
    if profile_dir.ends_with("release") {
        command.arg("--release");
    }
    // Build scripts that watch these would run again at every turn between the two cargos.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Returns `target/<profile>`: these tests run from its `deps` folder.
fn profile_dir() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().to_path_buf()
}

fn executable_of(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    Some(message.get("executable")?.as_str()?.into())
}
