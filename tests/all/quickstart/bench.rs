//! A small repository, a state folder, and the program at work on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::binary;

/// The key that every test gives and that must be seen nowhere.
pub(crate) const KEY: &str = "sk-test-5f8a1c77d2";

/// A temporary place with a repository in it.
pub(crate) struct Bench {
    place: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let bench = Self {
            place: TempDir::new().unwrap(),
        };
        bench.file(
            "repo/README.md",
            "# Tiny\n\nA tiny repository.\n\n## Use\n\nRun it.\n",
        );
        bench.file("repo/src/main.rs", "fn main() {\n    greet();\n}\n");
        bench.file(
            "repo/src/greet.rs",
            "pub fn greet() {\n    println!(\"hi\");\n}\n\n// end\n",
        );
        bench.file("repo/crates/gate.rs", "pub struct Permit(());\n");
        bench
    }

    #[track_caller]
    pub(crate) fn file(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, content.as_bytes()))
            .unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Prepares the program, at work on the little repository, with an environment of its own.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(binary("quickstart"));
        command
            .env_clear()
            .current_dir(self.place.path())
            .args(["--repo", "repo", "--dir", "state"]);
        command
    }

    /// Runs the program with the scripted model.
    #[track_caller]
    pub(crate) fn run(&self) -> Run {
        Run::of(self.command().output().unwrap())
    }

    /// Prepares the program with the model behind an endpoint.
    pub(crate) fn command_for(&self, base_url: &str) -> Command {
        let mut command = self.command();
        command
            .env("OPENAI_BASE_URL", base_url)
            .env("OPENAI_API_KEY", KEY)
            .env("OPENAI_MODEL", "test-model");
        command
    }

    /// Runs the program with the model behind an endpoint.
    #[track_caller]
    pub(crate) fn run_with(&self, base_url: &str) -> Run {
        Run::of(self.command_for(base_url).output().unwrap())
    }

    /// Lists every file of the state folder, with its content.
    #[track_caller]
    pub(crate) fn state_files(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        collect(&self.state(), &mut files);
        files
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        assert!(self.stdout.contains(text), "{text:?} is missing in\n{self}");
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) {
        assert!(self.success, "the run failed\n{self}");
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n--- stderr ---\n{}", self.stdout, self.stderr)
    }
}

#[track_caller]
fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.push((path, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}
