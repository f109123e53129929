//! One operator at one shell: a folder of its own, the real binary, what it printed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::binary;

/// A folder in which `keyway` is run.
pub(crate) struct Bench {
    folder: TempDir,
}

/// What one run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    /// Makes an empty folder.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Makes a folder in which these fixture packages are installed, written `name@precedence`.
    #[track_caller]
    pub(crate) fn with(packages: &[&str]) -> Self {
        let bench = Self::new();
        for package in packages {
            bench.install(package);
        }
        bench
    }

    /// Installs a fixture package, written `name@precedence` or `name`.
    #[track_caller]
    pub(crate) fn install(&self, package: &str) -> Ran {
        let (name, precedence) = package.split_once('@').unwrap_or((package, "user"));
        let path = fixture(name);
        let path = path.to_str().unwrap();
        self.ok(&format!("plugin install {path} --precedence {precedence}"))
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Prepares a run; the arguments are separated by blanks.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        self.command_of(arguments.split_whitespace())
    }

    /// Prepares a run.
    pub(crate) fn command_of<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(binary("keyway"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("KEYWAY_DIR")
            .env_remove("KEYWAY_PLUGIN_PATH")
            .env_remove("CLICOLOR_FORCE")
            .env("USER", "olive")
            .stdin(Stdio::null());
        command
    }

    /// Runs and returns whatever happened.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs and asserts that it worked.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &str) -> Ran {
        self.run(arguments).succeeded()
    }

    /// Runs, asserts that it failed with this code and printed nothing on standard output.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &str, code: &str) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 1, "{ran:#?}");
        assert_eq!(ran.out, "", "{ran:#?}");
        assert!(ran.err.contains(&format!("[{code}]")), "{ran:#?}");
        ran.err
    }

    /// Runs with `--json` and returns the value printed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let ran = self.ok(&format!("{arguments} --json"));
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Runs with `--json`, asserts that it failed and returns the value printed.
    #[track_caller]
    pub(crate) fn json_failure(&self, arguments: &str) -> Value {
        let ran = self.run(&format!("{arguments} --json"));
        assert_eq!(ran.code, 1, "{ran:#?}");
        let value: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(value["success"], false, "{value:#}");
        value
    }

    /// Returns the catalog file as JSON.
    #[track_caller]
    pub(crate) fn catalog(&self) -> Value {
        serde_json::from_slice(&self.catalog_bytes()).unwrap()
    }

    /// Returns the catalog file's bytes; empty when there is none.
    pub(crate) fn catalog_bytes(&self) -> Vec<u8> {
        fs::read(self.path(".keyway/plugins.json")).unwrap_or_default()
    }

    /// Returns `(enabled, status)` of a plugin, as `info` tells it.
    #[track_caller]
    pub(crate) fn status(&self, plugin: &str) -> String {
        let info = self.ok(&format!("plugin info {plugin}")).out;
        let line = info.lines().find(|line| line.starts_with("Status: "));
        line.unwrap()["Status: ".len()..].to_owned()
    }

    /// Returns who holds the slots.
    #[track_caller]
    pub(crate) fn slots(&self) -> Value {
        self.json("plugin list")["slotAssignments"].clone()
    }

    /// Writes a package with this manifest under `packages/` of this folder and returns its path.
    #[track_caller]
    pub(crate) fn package(&self, folder: &str, manifest: &Value) -> String {
        let path = self.path("src").join(folder);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("plugin.json"), manifest.to_string()).unwrap();
        format!("./src/{folder}")
    }
}

impl Ran {
    /// Asserts that the run ended with 0.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }
}

impl From<Output> for Ran {
    #[track_caller]
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Returns the path of a fixture package.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/packages");
    Path::new(packages).canonicalize().unwrap().join(name)
}

/// Returns a manifest with an extension of keyway's.
pub(crate) fn manifest(name: &str, version: &str, extension: &Value) -> Value {
    let mut ours = json!({ "schemaVersion": 1, "api": ">=0.1, <0.2" });
    for (key, value) in extension.as_object().unwrap() {
        ours[key] = value.clone();
    }
    json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": name,
        "version": version,
        "extensions": { "dev.keyway": ours },
    })
}
