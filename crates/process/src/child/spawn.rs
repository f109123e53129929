//! From an approved artifact to a process in its jail.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keyway_channel::handshake::Secret;
use keyway_host::runtime::{Enforcement, Launch};
use keyway_plugin_api::{PluginId, SecretValue};
use keyway_sandbox::{Confined, Environment, Handover, Jail, Level, Reached};
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::Process;
use super::output::{self, Output};
use crate::program::{Artifact, Interpreters, Scratch, Store, Wanted};
use crate::runtime::{Registered, Shared};
use crate::{ProcessError, ProcessOptions, ProgramError};

/// Everything that a start of a plugin needs; the same for each restart.
pub(crate) struct Order {
    pub(crate) launch: Launch,
    pub(crate) options: ProcessOptions,
    pub(crate) store: Store,
    /// The sealed program of the first start.
    pub(crate) sealed: OnceLock<Artifact>,
    /// What the first process registered; every other one must register the same.
    pub(crate) approved: OnceLock<Arc<Registered>>,
    pub(crate) shared: Arc<Shared>,
}

/// A process that was spawned and has proved nothing yet.
pub(crate) struct Spawned {
    pub(super) process: Process,
    pub(super) stream: UnixStream,
    pub(super) secret: Secret,
    pub(super) secret_pipe: OwnedFd,
    pub(super) artifact: Arc<Artifact>,
}

/// What comes out of the blocking part.
struct Parts {
    confined: Confined,
    stream: StdStream,
    secret: Secret,
    secret_pipe: OwnedFd,
    artifact: Artifact,
    scratch: Scratch,
}

impl Order {
    /// Returns the time of the spawn and the handshake together.
    pub(crate) fn handshake(&self) -> Duration {
        self.options.handshake.min(self.launch.limits.start)
    }

    /// Returns how far a process will be confined, without making one.
    pub(crate) fn expected(&self) -> Result<(Enforcement, Reached), ProcessError> {
        let expected = self.jail(Environment::new()).expected();
        let level = enforcement(expected.level());
        if level < self.launch.required {
            let lowering = expected.missing().iter().filter(|m| m.lowers_level());
            return Err(ProcessError::TooWeak {
                wanted: self.launch.required,
                reached: level,
                missing: lowering.map(ToString::to_string).collect(),
            });
        }
        Ok((level, expected))
    }

    /// Starts a process. Dropping the future ends it.
    pub(crate) async fn spawn(self: &Arc<Self>) -> Result<Spawned, ProcessError> {
        let order = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || order.spawn_blocking());
        let parts = task.await.map_err(|e| ProcessError::Host {
            what: "the thread that spawns",
            source: std::io::Error::other(e),
        })??;
        Spawned::adopt(parts).map_err(ProcessError::host("taking over the new process"))
    }

    fn spawn_blocking(&self) -> Result<Parts, ProcessError> {
        let artifact = self.artifact()?;
        let scratch = self.store.scratch();
        let scratch = scratch.map_err(ProcessError::host("making a scratch folder"))?;
        let (host, child) =
            StdStream::pair().map_err(ProcessError::host("making a socket pair"))?;
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (secret_end, secret_pipe) =
            pipe.map_err(|e| ProcessError::host("making a pipe")(e.into()))?;
        let mut jail = self
            .jail(environment(self.launch.manifest.name(), &self.launch.env)?)
            .read(&artifact.folder)
            .scratch(scratch.path())
            .working_dir(&artifact.folder);
        for path in &artifact.reads {
            jail = jail.read(path);
        }
        let handover = Handover::new().fd(child).fd(secret_end);
        let confined = jail.spawn(&artifact.program, handover)?;
        Ok(Parts {
            confined,
            stream: host,
            secret: Secret::draw().map_err(ProcessError::host("drawing a secret"))?,
            secret_pipe,
            artifact,
            scratch,
        })
    }

    /// Returns what to run. The package is looked at before every start; a sealed program stays what
    /// it is, so it is not copied again.
    fn artifact(&self) -> Result<Artifact, ProgramError> {
        if let Some(sealed) = self.sealed.get()
            && sealed.check_again(&self.launch.limits).is_ok()
        {
            return Ok(sealed.clone());
        }
        let artifact = self.prepare()?;
        if !artifact.is_script() {
            // Another start may have been first with the same bytes.
            let _ = self.sealed.set(artifact.clone());
        }
        Ok(artifact)
    }

    fn prepare(&self) -> Result<Artifact, ProgramError> {
        let wanted = Wanted {
            manifest: &self.launch.manifest,
            digest: self.launch.digest,
            source: self
                .launch
                .source_path
                .as_deref()
                .ok_or(ProgramError::NoSource)?,
            limits: &self.launch.limits,
        };
        let interpreters = Interpreters::new(self.options.interpreters.clone());
        Artifact::prepare(&wanted, &self.store, &interpreters)
    }

    fn jail(&self, environment: Environment) -> Jail {
        let mut jail = Jail::new()
            .environment(environment)
            .limits(self.options.limits)
            .at_least(level_of(self.launch.required));
        if let Some(probe) = self.options.probe {
            jail = jail.probe(probe);
        }
        match &self.options.cgroup {
            Some(cgroup) => jail.cgroup(cgroup),
            None => jail,
        }
    }
}

impl Spawned {
    fn adopt(parts: Parts) -> std::io::Result<Self> {
        let Parts {
            mut confined,
            stream,
            secret,
            secret_pipe,
            artifact,
            scratch,
        } = parts;
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        let exit = watch(confined.exit_fd().try_clone_to_owned()?)?;
        let output = Arc::new(Output::default());
        let pipes = [confined.take_stdout(), confined.take_stderr()];
        let pumps = pipes.into_iter().flatten();
        let pumps = pumps.map(|pipe| tokio::spawn(output::drain(pipe, Arc::clone(&output))));
        Ok(Self {
            process: Process {
                exit,
                pumps: pumps.collect(),
                output,
                confined,
                _copy: Arc::clone(&artifact.copy),
                _scratch: scratch,
            },
            stream,
            secret,
            secret_pipe,
            artifact: Arc::new(artifact),
        })
    }

    /// Returns how firmly the process is held.
    pub(crate) fn enforcement(&self) -> Enforcement {
        enforcement(self.process.confined.reached().level())
    }

    /// Returns what holds it back and what does not.
    pub(crate) fn reached(&self) -> &Reached {
        self.process.confined.reached()
    }
}

#[expect(
    deprecated,
    reason = "the other way is unsafe; an owned descriptor that nobody can replace keeps its number"
)]
fn watch(exit: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(exit)
}

/// Builds the environment from nothing: what the protocol says, then the granted secrets.
fn environment(
    plugin: &PluginId,
    secrets: &BTreeMap<String, SecretValue>,
) -> Result<Environment, ProcessError> {
    let mut environment = Environment::new()
        .with("TZ", "UTC")?
        .with("KEYWAY_CHANNEL", "fd:3")?
        .with("KEYWAY_SECRET_FD", "4")?
        .with("KEYWAY_PLUGIN", plugin.as_str())?;
    for (name, value) in secrets {
        // A plugin that names its secret so would change what its own SDK is told.
        if name == "TZ" || name.starts_with("KEYWAY_") {
            let what = "an environment that names a variable of the channel";
            let source = std::io::ErrorKind::InvalidInput.into();
            return Err(ProcessError::Host { what, source });
        }
        environment = environment.with(name, value.expose())?;
    }
    Ok(environment)
}

fn enforcement(level: Level) -> Enforcement {
    match level {
        Level::Enforced => Enforcement::Enforced,
        Level::Mediated => Enforcement::Mediated,
        _ => Enforcement::Declared,
    }
}

fn level_of(enforcement: Enforcement) -> Level {
    match enforcement {
        Enforcement::Declared => Level::Declared,
        Enforcement::Mediated => Level::Mediated,
        Enforcement::Enforced => Level::Enforced,
    }
}
