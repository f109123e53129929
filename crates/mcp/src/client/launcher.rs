//! Starts a server's program: exactly the approved words, an environment from nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use keyway_host::runtime::Enforcement;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};

/// Lines of a server's standard error that are kept.
const STDERR_LINES: usize = 64;
/// How long the last lines of a child that ended may take to arrive.
const ARRIVE: std::time::Duration = std::time::Duration::from_millis(500);
/// Characters of a line that are kept.
const STDERR_LINE: usize = 400;

/// What is to be started: nothing of it is read by a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaunchSpec {
    /// The plugin.
    pub plugin: keyway_plugin_api::PluginId,
    /// The program, as an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// Files and folders that it was granted for reading.
    pub read: Vec<PathBuf>,
    /// Folders that it was granted for writing.
    pub write: Vec<PathBuf>,
}

/// A child process that was started.
#[non_exhaustive]
pub struct Launched {
    /// Its standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its standard error.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// The handle that ends it.
    pub child: Box<dyn Child>,
    /// How firmly it is held.
    pub enforcement: Enforcement,
}

impl Launched {
    /// Joins the three pipes of a child with its handle.
    #[must_use]
    pub fn new(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        stderr: impl AsyncRead + Send + Unpin + 'static,
        child: impl Child,
        enforcement: Enforcement,
    ) -> Self {
        Self {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            child: Box::new(child),
            enforcement,
        }
    }
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched")
            .field("enforcement", &self.enforcement)
            .finish_non_exhaustive()
    }
}

/// The handle of a child process.
#[async_trait]
pub trait Child: Send + Sync + 'static {
    /// Waits for the child's end and says how it ended.
    async fn wait(&mut self) -> String;

    /// Ends the child and everything it started, now.
    async fn kill(&mut self);
}

/// Starts child processes.
///
/// Implemented here by [`PlainLauncher`], and by an embedder that has a jail. Contract: starts
/// exactly the program with exactly the arguments and the environment, nothing added; the child ends
/// when its handle is dropped.
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// Starts a child process.
    ///
    /// # Errors
    /// A text for the operator.
    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, String>;
}

/// Starts child processes without a jail, in a process group of their own: `declared`, because
/// nothing holds such a process to its grants.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PlainLauncher;

impl PlainLauncher {
    /// Makes the launcher.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Launcher for PlainLauncher {
    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, String> {
        let mut command = tokio::process::Command::new(&spec.program);
        command
            .args(&spec.args)
            .env_clear()
            .envs(&spec.env)
            .current_dir(&spec.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .spawn()
            .map_err(|e| format!("{} does not start: {e}", spec.program.display()))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err("its pipes are missing".to_owned());
        };
        let group = child.id();
        let child = Group { child, group };
        Ok(Launched::new(
            stdin,
            stdout,
            stderr,
            child,
            Enforcement::Declared,
        ))
    }
}

/// A child that leads a process group.
struct Group {
    child: tokio::process::Child,
    group: Option<u32>,
}

impl Group {
    fn kill_group(&self) {
        #[cfg(unix)]
        if let Some(id) = self.group
            && let Some(id) = i32::try_from(id)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
        {
            // Whoever is gone already needs no end.
            let _gone = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

#[async_trait]
impl Child for Group {
    async fn wait(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("its end was not seen: {error}"),
        }
    }

    async fn kill(&mut self) {
        self.kill_group();
        let _gone = self.child.kill().await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its children outlive it otherwise.
        self.kill_group();
    }
}

/// The last lines that a child wrote to its standard error, safe to print.
#[derive(Debug)]
pub(crate) struct LastWords {
    lines: Kept,
    reading: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl LastWords {
    /// Reads the standard error until it ends.
    pub(crate) fn listen(stderr: Box<dyn AsyncRead + Send + Unpin>) -> Self {
        let lines = Kept::default();
        let kept = lines.clone();
        let reading = tokio::spawn(async move {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while let Ok(1..) = read_bounded(&mut reader, &mut line).await {
                kept.keep(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { lines, reading }
    }

    /// Returns the last of them; what is on its way when a child ends gets a moment to arrive.
    pub(crate) async fn last(&mut self, count: usize) -> String {
        if !self.reading.is_finished() {
            let _read = tokio::time::timeout(ARRIVE, &mut self.reading).await;
        }
        self.lines.last(count)
    }
}

impl Kept {
    fn keep(&self, line: &str) {
        let line: String = line.trim_end().chars().take(STDERR_LINE).collect();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == STDERR_LINES {
            lines.remove(0);
        }
        lines.push(keyway_host::text::printable(&line).into_owned());
    }

    fn last(&self, count: usize) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = lines.len().saturating_sub(count);
        lines.get(from..).unwrap_or_default().join(" | ")
    }
}

/// Reads a line of which no more than a little is kept.
async fn read_bounded(
    reader: &mut BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    line: &mut Vec<u8>,
) -> std::io::Result<usize> {
    let mut read = 0;
    loop {
        let available = reader.fill_buf().await?;
        let end = available.iter().position(|byte| *byte == b'\n');
        let take = end.map_or(available.len(), |at| at + 1);
        let room = (4 * STDERR_LINE).saturating_sub(line.len());
        line.extend(available.iter().take(take.min(room)));
        reader.consume(take);
        read += take;
        if end.is_some() || take == 0 {
            return Ok(read);
        }
    }
}

/// Finds a program: an absolute path, `./` inside the package, or a name in the search path.
pub(crate) fn find_program(
    command: &str,
    package: Option<&Path>,
    search: &[PathBuf],
) -> Result<PathBuf, String> {
    let found = if Path::new(command).is_absolute() {
        Some(PathBuf::from(command))
    } else if command.contains('/') {
        let package = package.ok_or("its program lies in a package, and there is none")?;
        Some(package.join(command))
    } else {
        search
            .iter()
            .map(|folder| folder.join(command))
            .find(|path| path.is_file())
    };
    let found = found.ok_or_else(|| format!("no program `{command}` in the search path"))?;
    match found.is_file() {
        true => Ok(found),
        false => Err(format!("{} is no file", found.display())),
    }
}
