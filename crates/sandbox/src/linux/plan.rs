//! What the child needs, prepared by the parent, where it is safe to allocate and to fail.

use std::ffi::{CString, OsStr};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::process::Resource;
use seccompiler::BpfProgram;

use super::sys::{self, Errno};
use super::{filter, rules};
use crate::error::SpawnError;
use crate::jail::{Handover, Jail};
use crate::probe::Namespaces;
use crate::program::{Image, Program};

/// Descriptors for the child lie above this, so that placing one never covers another.
const ABOVE: i32 = 64;

/// Everything the child needs.
pub(super) struct Plan {
    pub(super) cgroup: Option<OwnedFd>,
    pub(super) control: OwnedFd,
    command: Command,
    pub(super) filters: Vec<BpfProgram>,
    pub(super) folder: CString,
    pub(super) handed: Vec<OwnedFd>,
    pub(super) identity: Option<Identity>,
    pub(super) is_privileged: bool,
    pub(super) landlock: Option<OwnedFd>,
    pub(super) limits: Vec<Limit>,
    namespaces: Namespaces,
    pub(super) report: OwnedFd,
    pub(super) run_as: Option<(u32, u32)>,
    pub(super) stderr: OwnedFd,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
}

/// What stays with the parent.
pub(super) struct Ends {
    pub(super) control: OwnedFd,
    pub(super) report: File,
    pub(super) stderr: OwnedFd,
    pub(super) stdout: OwnedFd,
}

/// Who the child is inside its user namespace: the same as outside.
pub(super) struct Identity {
    pub(super) user: Vec<u8>,
    pub(super) group: Vec<u8>,
}

/// One limit of the operating system.
pub(super) struct Limit {
    pub(super) resource: u32,
    pub(super) soft: u64,
    pub(super) hard: u64,
}

impl Identity {
    /// The identity that this process needs in such namespaces.
    pub(super) fn of(namespaces: Namespaces) -> Option<Self> {
        let line = |id: u32| format!("{id} {id} 1\n").into_bytes();
        (namespaces == Namespaces::User).then(|| Self {
            user: line(rustix::process::geteuid().as_raw()),
            group: line(rustix::process::getegid().as_raw()),
        })
    }
}

/// Flags of the fork that makes these namespaces.
pub(super) fn flags(namespaces: Namespaces) -> i32 {
    let all = libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    match namespaces {
        Namespaces::None => 0,
        Namespaces::Plain => all,
        Namespaces::User => all | libc::CLONE_NEWUSER,
    }
}

impl Plan {
    pub(super) fn prepare(
        jail: &Jail,
        program: &Program,
        handover: Handover,
        cgroup: Option<OwnedFd>,
    ) -> Result<(Self, Ends), SpawnError> {
        let (stdin, handed) = descriptors(handover)?;
        let (stdout, child_stdout) = pipe()?;
        let (stderr, child_stderr) = pipe()?;
        let (report, child_report) = pipe()?;
        let (control, child_control) = sockets()?;
        let namespaces = jail.probe.namespaces;
        let plan = Self {
            cgroup: cgroup.map(raise).transpose()?,
            control: child_control,
            command: Command::new(jail, program)?,
            filters: filter::programs(jail)?,
            folder: c_string(jail.folder().as_os_str(), "the working folder")?,
            handed,
            identity: Identity::of(namespaces),
            is_privileged: namespaces == Namespaces::User || rustix::process::geteuid().is_root(),
            landlock: rules::ruleset(jail)?.map(raise).transpose()?,
            limits: limits(jail),
            namespaces,
            report: child_report,
            run_as: jail.run_as,
            stderr: child_stderr,
            stdin,
            stdout: child_stdout,
        };
        let ends = Ends {
            control,
            report: report.into(),
            stderr,
            stdout,
        };
        Ok((plan, ends))
    }

    pub(super) fn flags(&self) -> i32 {
        flags(self.namespaces)
    }

    pub(super) fn is_namespaced(&self) -> bool {
        self.namespaces != Namespaces::None
    }

    /// Descriptors that the child uses once all others are closed. The exec closes them.
    pub(super) fn needed_until_exec(&self) -> [RawFd; 3] {
        let report = self.report.as_raw_fd();
        let sealed = match &self.command.file {
            Executable::Path(_) => report,
            Executable::Sealed(file) => file.as_raw_fd(),
        };
        let ruleset = self.landlock.as_ref().map_or(report, |fd| fd.as_raw_fd());
        [report, sealed, ruleset]
    }

    /// Becomes the program, in the child.
    #[expect(unsafe_code, reason = "hands the prepared vectors to the kernel")]
    pub(super) fn exec(&self) -> Errno {
        let command = &self.command;
        let file = match &command.file {
            Executable::Path(path) => Err(path.as_c_str()),
            Executable::Sealed(file) => Ok(file.as_raw_fd()),
        };
        // SAFETY: `Strings` holds the addresses of its own C strings, and a zero at the end.
        unsafe { sys::exec(file, &command.arguments.at, &command.environment.at) }
    }
}

/// What is executed, in the form that the kernel takes.
struct Command {
    file: Executable,
    arguments: Strings,
    environment: Strings,
}

enum Executable {
    Path(CString),
    Sealed(OwnedFd),
}

/// C strings and their addresses, ended by a zero.
struct Strings {
    at: Vec<usize>,
    _owned: Vec<CString>,
}

impl Strings {
    fn new(strings: Vec<CString>) -> Self {
        let addresses = strings.iter().map(|string| string.as_ptr().addr());
        Self {
            at: addresses.chain([0]).collect(),
            _owned: strings,
        }
    }
}

impl Command {
    fn new(jail: &Jail, program: &Program) -> Result<Self, SpawnError> {
        let file = match &program.image {
            Image::At(path) => Executable::Path(c_string(path.as_os_str(), "the program's path")?),
            Image::Sealed { file, .. } => Executable::Sealed(above(file)?),
        };
        let names = std::iter::once(&program.name).chain(&program.arguments);
        let arguments = names.map(|argument| c_string(argument, "an argument"));
        let environment = jail.environment.complete(jail.home());
        let lines = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let lines = lines.map(|line| c_string(OsStr::new(&line), "the environment"));
        Ok(Self {
            file,
            arguments: Strings::new(arguments.collect::<Result<_, _>>()?),
            environment: Strings::new(lines.collect::<Result<_, _>>()?),
        })
    }
}

fn c_string(text: &OsStr, what: &'static str) -> Result<CString, SpawnError> {
    CString::new(text.as_bytes()).map_err(|_| SpawnError::Nul { what })
}

/// Standard input and what is handed over, as the child takes them.
fn descriptors(handover: Handover) -> Result<(OwnedFd, Vec<OwnedFd>), SpawnError> {
    let stdin = match handover.stdin {
        Some(given) => given,
        None => OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_CLOEXEC)
            .open("/dev/null")
            .map_err(SpawnError::host("opening /dev/null"))?
            .into(),
    };
    let handed = handover.descriptors.into_iter().map(raise);
    Ok((raise(stdin)?, handed.collect::<Result<_, _>>()?))
}

/// Moves a descriptor to a high number.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the lower one is closed here"
)]
fn raise(fd: OwnedFd) -> Result<OwnedFd, SpawnError> {
    above(&fd)
}

/// Copies a descriptor to a high number.
fn above(fd: &OwnedFd) -> Result<OwnedFd, SpawnError> {
    rustix::io::fcntl_dupfd_cloexec(fd, ABOVE)
        .map_err(io::Error::from)
        .map_err(SpawnError::host("copying a descriptor"))
}

/// A pipe: the parent's end to read, the child's end to write.
fn pipe() -> Result<(OwnedFd, OwnedFd), SpawnError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(io::Error::from)
        .map_err(SpawnError::host("making a pipe"))?;
    Ok((read, raise(write)?))
}

/// A pair of sockets: the parent's, and the child's.
fn sockets() -> Result<(OwnedFd, OwnedFd), SpawnError> {
    use std::os::unix::net::UnixStream;
    let (ours, theirs) = UnixStream::pair().map_err(SpawnError::host("making a socket"))?;
    Ok((ours.into(), raise(theirs.into())?))
}

/// Limits for each process, none above what the host has itself.
fn limits(jail: &Jail) -> Vec<Limit> {
    let wanted = jail.limits;
    let processes = super::counts_processes(jail)
        .then(|| wanted.processes())
        .flatten();
    let all = [
        (Resource::Core, libc::RLIMIT_CORE, Some(0)),
        (Resource::As, libc::RLIMIT_AS, wanted.address_space()),
        (Resource::Data, libc::RLIMIT_DATA, wanted.memory()),
        (Resource::Fsize, libc::RLIMIT_FSIZE, wanted.file_bytes()),
        (Resource::Nofile, libc::RLIMIT_NOFILE, wanted.open_files()),
        // The reaper counts as one.
        (
            Resource::Nproc,
            libc::RLIMIT_NPROC,
            processes.map(|count| count.saturating_add(1)),
        ),
        (Resource::Cpu, libc::RLIMIT_CPU, wanted.cpu_seconds()),
    ];
    let chosen = all.into_iter().filter_map(|(of, resource, limit)| {
        let most = rustix::process::getrlimit(of).maximum.unwrap_or(u64::MAX);
        let soft = limit?.min(most);
        // The soft limit of CPU time is a signal that can be told from others; the hard one is not.
        let grace = u64::from(of == Resource::Cpu);
        Some(Limit {
            resource,
            soft,
            hard: soft.saturating_add(grace).min(most),
        })
    });
    chosen.collect()
}
