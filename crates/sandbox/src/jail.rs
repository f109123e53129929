//! What a confined program may touch.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::level::{Level, Reached};
use crate::limits::Limits;
use crate::probe::Probe;

/// What every program needs in order to start: code of the system and a few harmless devices.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    // Settings and public certificates; the private keys beside them stay closed.
    "/etc/crypto-policies",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];

/// What a confined program may touch. Nothing else is open to it.
///
/// A new jail holds the system's code, read-only, and no writable folder, no network, no sockets,
/// no other process, and an environment built from nothing. A jail can be used many times.
///
/// ```no_run
/// use keyway_sandbox::{Environment, Handover, Jail, Level, Limits, Program};
///
/// let jail = Jail::new()
///     .read("/srv/plugins/hello")
///     .scratch("/var/lib/agent/scratch/hello")
///     .environment(Environment::new().with("REGION", "eu-1")?)
///     .limits(Limits::default().with_memory(Some(256 << 20)))
///     .at_least(Level::Enforced);
/// let program = Program::at("/usr/bin/python3").arg("/srv/plugins/hello/main.py");
/// let mut confined = jail.spawn(&program, Handover::new())?;
/// println!("{} ({:?})", confined.reached().level(), confined.reached().missing());
/// println!("{}", confined.wait()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Jail {
    pub(crate) at_least: Level,
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) environment: Environment,
    pub(crate) limits: Limits,
    pub(crate) probe: Probe,
    pub(crate) read: Vec<PathBuf>,
    pub(crate) run_as: Option<(u32, u32)>,
    pub(crate) scratch: Vec<PathBuf>,
    pub(crate) system: bool,
    pub(crate) working_dir: Option<PathBuf>,
}

impl Default for Jail {
    fn default() -> Self {
        Self::new()
    }
}

impl Jail {
    /// Begins with the system's code, read-only, and the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            at_least: Level::Declared,
            cgroup: None,
            environment: Environment::new(),
            limits: Limits::default(),
            probe: Probe::detect(),
            read: Vec::new(),
            run_as: None,
            scratch: Vec::new(),
            system: true,
            working_dir: None,
        }
    }

    /// Opens a file or folder for reading and executing. It must exist when a program starts.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Opens a folder for reading and writing, never for executing. It must exist when a program
    /// starts. The first one becomes `HOME`, `TMPDIR` and, unless another is set, the working
    /// folder.
    #[must_use]
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch.push(folder.into());
        self
    }

    /// Leaves the system's code out: `/usr`, `/lib*`, `/bin` and the like. Then only a
    /// statically linked program starts.
    #[must_use]
    pub fn without_system(mut self) -> Self {
        self.system = false;
        self
    }

    /// Sets the environment.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the working folder. Without it, it is the first scratch folder, or `/`.
    #[must_use]
    pub fn working_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.working_dir = Some(folder.into());
        self
    }

    /// Sets the level below which nothing is started. Without it, everything is.
    #[must_use]
    pub fn at_least(mut self, level: Level) -> Self {
        self.at_least = level;
        self
    }

    /// Runs programs as another user and group. Only an administrator can.
    ///
    /// An administrator who does not set this runs programs as user 0 without any of the powers of
    /// that user, and nothing bounds the number of their processes except a control group.
    #[must_use]
    pub fn run_as(mut self, user: u32, group: u32) -> Self {
        self.run_as = Some((user, group));
        self
    }

    /// Makes a control group for each program below this folder, which must be a group of
    /// version 2 that is delegated to the host and holds no process itself.
    #[must_use]
    pub fn cgroup(mut self, parent: impl Into<PathBuf>) -> Self {
        self.cgroup = Some(parent.into());
        self
    }

    /// Sets what the kernel offers; tests pretend to have a poorer one.
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }

    /// Returns how far a program will be confined on this machine, without starting one.
    #[must_use]
    pub fn expected(&self) -> Reached {
        #[cfg(target_os = "linux")]
        return crate::linux::expected(self);
        #[cfg(not(target_os = "linux"))]
        return crate::level::nothing();
    }

    /// Paths that are open for reading, those of the system first.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "nothing enforces it there")
    )]
    pub(crate) fn system_paths(&self) -> &'static [&'static str] {
        match self.system {
            true => SYSTEM,
            false => &[],
        }
    }

    /// The folder that becomes `HOME`.
    #[cfg_attr(windows, expect(dead_code, reason = "nothing is started there"))]
    pub(crate) fn home(&self) -> Option<&str> {
        self.scratch.first().and_then(|path| path.to_str())
    }

    /// The folder that a program begins in.
    #[cfg_attr(windows, expect(dead_code, reason = "nothing is started there"))]
    pub(crate) fn folder(&self) -> &Path {
        let chosen = self.working_dir.as_deref();
        chosen
            .or(self.scratch.first().map(PathBuf::as_path))
            .unwrap_or(Path::new("/"))
    }
}

#[cfg(unix)]
mod start {
    use std::os::fd::OwnedFd;

    use super::Jail;
    use crate::confined::Confined;
    use crate::error::SpawnError;
    use crate::program::Program;

    /// The most descriptors that are handed over.
    const HANDED_MAX: usize = 32;

    /// Descriptors that a program gets from its host, beside its output.
    ///
    /// The first is the program's descriptor 3, the next 4, and so on. Standard input is
    /// `/dev/null` unless one is given. The host's copies are closed by the start.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use keyway_sandbox::Handover;
    ///
    /// let (host, child) = UnixStream::pair()?;
    /// let handover = Handover::new().fd(child);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[derive(Debug, Default)]
    pub struct Handover {
        pub(crate) stdin: Option<OwnedFd>,
        pub(crate) descriptors: Vec<OwnedFd>,
    }

    impl Handover {
        /// Begins with nothing.
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }

        /// Hands over a descriptor, with the next number from 3.
        #[must_use]
        pub fn fd(mut self, descriptor: impl Into<OwnedFd>) -> Self {
            self.descriptors.push(descriptor.into());
            self
        }

        /// Sets standard input.
        #[must_use]
        pub fn stdin(mut self, descriptor: impl Into<OwnedFd>) -> Self {
            self.stdin = Some(descriptor.into());
            self
        }
    }

    impl Jail {
        /// Starts a program.
        ///
        /// Returns when the program has begun, after some milliseconds; asynchronous callers go
        /// through a thread that may block. The child is this process's own: it ends when the
        /// returned value is dropped, and when this process ends in whatever way.
        ///
        /// # Errors
        /// [`SpawnError`]; then nothing of the program has run. [`SpawnError::TooWeak`] if this
        /// machine cannot confine it as far as [`Jail::at_least`] wants.
        pub fn spawn(&self, program: &Program, handover: Handover) -> Result<Confined, SpawnError> {
            let reached = self.expected();
            if reached.level() < self.at_least {
                let wanted = self.at_least;
                return Err(SpawnError::TooWeak { wanted, reached });
            }
            let count = handover.descriptors.len();
            if count > HANDED_MAX {
                return Err(SpawnError::TooManyDescriptors { count });
            }
            #[cfg(target_os = "linux")]
            return crate::linux::spawn(self, program, handover, reached);
            #[cfg(not(target_os = "linux"))]
            {
                let (tree, stdout, stderr) = crate::portable::start(self, program, handover)?;
                Ok(Confined {
                    tree,
                    stdout: Some(stdout),
                    stderr: Some(stderr),
                    reached,
                    ended: None,
                })
            }
        }
    }
}

#[cfg(unix)]
pub use start::Handover;
