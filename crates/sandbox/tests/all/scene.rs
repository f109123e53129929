//! A host that runs the hostile program, and what it reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The hostile program, built along with these tests.
pub(crate) const HOSTILE: &str = env!("CARGO_BIN_EXE_keyway-sandbox-hostile");

/// An ordinary user that owns nothing else.
pub(crate) const NOBODY: u32 = 65534;

/// The users to run a host as: an administrator runs it as itself and as an ordinary user.
pub(crate) fn users() -> Vec<u32> {
    match rustix::process::geteuid().as_raw() {
        0 => vec![0, NOBODY],
        user => vec![user],
    }
}

/// The ordinary user of this run.
pub(crate) fn ordinary() -> u32 {
    users().pop().unwrap()
}

/// A folder of a host with a secret, victims, a plugin and its scratch folder.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    user: u32,
}

impl Scene {
    pub(crate) fn new(user: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder, user };
        for name in ["victims", "plugin", "scratch"] {
            fs::create_dir(scene.path().join(name)).unwrap();
        }
        let files = [
            "secret.txt",
            ".mcp.json",
            "MEMORY.md",
            ".bashrc",
            "plugin/plugin.toml",
        ];
        let victims = [
            "write",
            "truncate",
            "rename_over",
            "unlink",
            "symlink_over",
            "chmod",
            "utime",
            "chown",
        ];
        let victims = victims.map(|attack| format!("victims/{attack}_victim"));
        for name in files.into_iter().chain(victims.iter().map(String::as_str)) {
            fs::copy("/proc/self/comm", scene.path().join(name)).unwrap();
        }
        fs::copy(HOSTILE, scene.path().join("plugin/code")).unwrap();
        scene.give(scene.path());
        scene
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives everything to the host's user.
    fn give(&self, path: &Path) {
        if rustix::process::geteuid().is_root() {
            chown(path, Some(self.user), Some(self.user)).unwrap();
        }
        let mode = if path.is_dir() || path.ends_with("code") {
            0o755
        } else {
            0o600
        };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.give(&entry.unwrap().path());
            }
        }
    }

    /// Starts a host. Options are `name=value`; what follows is for the program.
    pub(crate) fn start(&self, options: &[&str], program: &[&str]) -> Host {
        let mut command = Command::new(self.path().join("plugin/code"));
        command
            .arg("host")
            .arg(format!("folder={}", self.path().display()));
        command.args(options).arg("--").args(program);
        command.envs([
            ("API_KEY", "k-123"),
            ("LD_LIBRARY_PATH", "/nowhere"),
            ("PYTHONSTARTUP", "/x"),
        ]);
        command.stdout(Stdio::piped()).stdin(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(self.user).gid(self.user);
        }
        let mut child = not_busy(|| command.spawn());
        let output = BufReader::new(child.stdout.take().unwrap());
        Host { child, output }
    }

    /// Runs a host to its end.
    pub(crate) fn run(&self, options: &[&str], program: &[&str]) -> Report {
        let mut host = self.start(options, program);
        let mut report = Report::default();
        while let Some(line) = host.line() {
            report.take(&line);
        }
        host.child.wait().unwrap();
        report
    }
}

/// A host that runs.
pub(crate) struct Host {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

impl Host {
    /// Reads the next line of its output.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.output.read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
    }

    /// Reads until a line begins so, and returns the rest of it.
    pub(crate) fn until(&mut self, beginning: &str) -> String {
        loop {
            let line = self.line().expect("the host ended too early");
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }
}

/// What a host and its program said.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Whether each attack succeeded.
    pub(crate) attacks: BTreeMap<String, bool>,
    /// How each attack was refused.
    pub(crate) refusals: BTreeMap<String, String>,
    pub(crate) missing: BTreeSet<String>,
    /// All other lines, by their first word.
    pub(crate) said: BTreeMap<String, Vec<String>>,
}

impl Report {
    fn take(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.split_once(' ')) {
            ("attack", Some((name, outcome))) => {
                self.attacks.insert(name.into(), outcome == "succeeded");
                self.refusals.insert(name.into(), outcome.into());
            }
            ("missing", _) => drop(self.missing.insert(rest.into())),
            _ => self.said.entry(word.into()).or_default().push(rest.into()),
        }
    }

    /// The only line that begins with a word.
    #[track_caller]
    pub(crate) fn word(&self, word: &str) -> &str {
        match self.said.get(word).map(Vec::as_slice) {
            Some([only]) => only,
            other => panic!("unexpected {other:?} for {word}: {self:#?}"),
        }
    }

    /// The names of the attacks that succeeded.
    pub(crate) fn succeeded(&self) -> BTreeSet<&str> {
        let all = self.attacks.iter();
        all.filter(|(_, succeeded)| **succeeded)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Returns the processes whose arguments hold this text.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let holds = |id: &u32| {
        let arguments = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        arguments
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    ids.filter(holds).collect()
}

/// Starts a program that was copied just now: a test that forks at this moment may still have the copy
/// open for writing, and no such file can be executed.
pub(crate) fn not_busy<T, E: Debug>(mut start: impl FnMut() -> Result<T, E>) -> T {
    let mut started = start();
    eventually(|| {
        let is_busy = matches!(&started, Err(e) if format!("{e:?}").contains("ExecutableFileBusy"));
        if is_busy {
            started = start();
        }
        !is_busy
    });
    started.unwrap()
}

/// Waits, ten milliseconds at a time, until it is so; gives up after a minute and more.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    (0..6000).any(|_| {
        is_so() || {
            pause(10);
            false
        }
    })
}

/// Lets milliseconds pass.
pub(crate) fn pause(milliseconds: i64) {
    let time = rustix::event::Timespec {
        tv_sec: milliseconds / 1000,
        tv_nsec: (milliseconds % 1000) * 1_000_000,
    };
    rustix::event::poll(&mut [], Some(&time)).unwrap();
}

/// A program's path as text.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The first of these that exists.
pub(crate) fn installed(paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(PathBuf::from).find(|path| path.exists())
}
