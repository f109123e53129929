//! Starts a server's program in a jail: what the operating system can hold it to.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use keyway_host::runtime::Enforcement;
use keyway_sandbox::{Confined, Environment, Handover, Jail, Level, Limits, Program};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

use super::launcher::{Child, LaunchSpec, Launched, Launcher};

/// Starts local servers in a jail: no network, no files but those they were granted and those that
/// hold their own code, one scratch folder, limits on memory and processes.
///
/// The level that was reached on this machine is reported, never more. A server that needs the
/// network does not work in here.
///
/// ```no_run
/// use keyway_mcp::{JailLauncher, McpRuntime};
/// let runtime = McpRuntime::new()
///     .launcher(JailLauncher::new("/var/lib/my-agent/scratch").code("/opt/mcp-servers"));
/// ```
#[derive(Debug, Clone)]
#[must_use = "give it to a runtime"]
pub struct JailLauncher {
    scratch: PathBuf,
    code: Vec<PathBuf>,
    limits: Limits,
    at_least: Level,
}

impl JailLauncher {
    /// Makes a launcher that gives each server a folder of its own below `scratch`, which is made
    /// where it is not there.
    pub fn new(scratch: impl Into<PathBuf>) -> Self {
        Self {
            scratch: scratch.into(),
            code: Vec::new(),
            limits: Limits::default(),
            at_least: Level::Declared,
        }
    }

    /// Opens a folder with the servers' code for reading, to every server.
    pub fn code(mut self, folder: impl Into<PathBuf>) -> Self {
        self.code.push(folder.into());
        self
    }

    /// Bounds the memory of each server, in bytes; one gibibyte without it.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.limits = self.limits.with_memory(Some(bytes));
        self
    }

    /// Starts nothing that cannot be held all the way.
    pub fn enforced(mut self) -> Self {
        self.at_least = Level::Enforced;
        self
    }

    fn jail(&self, spec: &LaunchSpec) -> Result<Jail, String> {
        let mut environment = Environment::new();
        for (name, value) in spec
            .env
            .iter()
            .filter(|(name, _)| *name != "PATH" && *name != "HOME")
        {
            environment = environment.with(name, value).map_err(|e| e.to_string())?;
        }
        let scratch = self.scratch.join(spec.plugin.as_str());
        std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        let mut jail = Jail::new()
            .scratch(scratch)
            .environment(environment)
            .limits(self.limits)
            .at_least(self.at_least);
        for folder in self
            .code
            .iter()
            .chain(&spec.read)
            .chain(own_folder(&spec.program).as_ref())
        {
            jail = jail.read(folder);
        }
        for folder in &spec.write {
            jail = jail.scratch(folder);
        }
        Ok(jail)
    }
}

/// The folder of a program that is not the system's.
fn own_folder(program: &Path) -> Option<PathBuf> {
    let program = std::fs::canonicalize(program).ok()?;
    let is_system = ["/usr", "/bin", "/lib"]
        .iter()
        .any(|root| program.starts_with(root));
    program.parent().filter(|_| !is_system).map(Path::to_owned)
}

#[async_trait]
impl Launcher for JailLauncher {
    async fn launch(&self, spec: &LaunchSpec) -> Result<Launched, String> {
        let jail = self.jail(spec)?;
        let program = std::fs::canonicalize(&spec.program).map_err(|e| e.to_string())?;
        let program = Program::at(program).args(&spec.args);
        let (stdin, their_end) = pipe::pipe().map_err(|e| e.to_string())?;
        let their_end = their_end.into_blocking_fd().map_err(|e| e.to_string())?;
        let handover = Handover::new().stdin(their_end);
        let spawned = tokio::task::spawn_blocking(move || jail.spawn(&program, handover)).await;
        let mut confined = spawned
            .map_err(|e| e.to_string())?
            .map_err(|e| e.to_string())?;
        let enforcement = level_of(confined.reached().level());
        let (stdout, stderr) = (
            reader(confined.take_stdout())?,
            reader(confined.take_stderr())?,
        );
        Ok(Launched::new(
            stdin,
            stdout,
            stderr,
            Held(confined),
            enforcement,
        ))
    }
}

fn reader(fd: Option<OwnedFd>) -> Result<pipe::Receiver, String> {
    let fd = fd.ok_or("its pipes are missing")?;
    pipe::Receiver::from_owned_fd(fd).map_err(|e| e.to_string())
}

fn level_of(level: Level) -> Enforcement {
    match level {
        Level::Enforced => Enforcement::Enforced,
        Level::Mediated => Enforcement::Mediated,
        _ => Enforcement::Declared,
    }
}

struct Held(Confined);

impl Held {
    #[expect(
        deprecated,
        reason = "its successor is unsafe, to have its caller vouch for what an owned descriptor is"
    )]
    async fn gone(&mut self) -> std::io::Result<String> {
        let fd = self.0.exit_fd().try_clone_to_owned()?;
        let fd = AsyncFd::new(fd)?;
        loop {
            if let Some(ended) = self.0.try_wait()? {
                return Ok(ended.to_string());
            }
            fd.readable().await?.clear_ready();
        }
    }
}

#[async_trait]
impl Child for Held {
    async fn wait(&mut self) -> String {
        let gone = self.gone().await;
        gone.unwrap_or_else(|error| format!("its end was not seen: {error}"))
    }

    async fn kill(&mut self) {
        // Whoever is gone already needs no end.
        let _gone = self.0.kill();
        let _waited = tokio::time::timeout(std::time::Duration::from_secs(2), self.gone()).await;
    }
}
