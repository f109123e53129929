//! How far confinement got: the level, what makes it, and what is missing.

use std::fmt;

/// How far a program is confined, from weakest to strongest.
///
/// ```
/// use keyway_sandbox::Level;
///
/// assert!(Level::Declared < Level::Mediated && Level::Mediated < Level::Enforced);
/// assert_eq!(Level::Enforced.to_string(), "enforced");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Nothing but the program's word: it can do what its user can do.
    Declared,
    /// The kernel enforces a part; [`Reached::missing`] says what it does not.
    Mediated,
    /// The kernel enforces everything that this crate promises.
    Enforced,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declared => "declared",
            Self::Mediated => "mediated",
            Self::Enforced => "enforced",
        })
    }
}

/// A part of the operating system that holds a program back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// A control group of its own: limits for all processes together, and one switch to kill them.
    Cgroup,
    /// Landlock, in this version of its interface.
    Landlock(u32),
    /// Namespaces of its own for processes, network, messages and host name.
    Namespaces,
    /// Limits of each process.
    Rlimits,
    /// A filter over system calls.
    Seccomp,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup => f.write_str("cgroup"),
            Self::Landlock(abi) => write!(f, "landlock {abi}"),
            Self::Namespaces => f.write_str("namespaces"),
            Self::Rlimits => f.write_str("rlimits"),
            Self::Seccomp => f.write_str("seccomp"),
        }
    }
}

/// A protection that a program runs without.
///
/// `Display` says it in words that an operator can act on.
///
/// ```
/// use keyway_sandbox::Missing;
///
/// assert!(Missing::Network.lowers_level());
/// assert!(!Missing::DiskTotal.lowers_level());
/// assert_eq!(Missing::Network.to_string(), "the program can open network connections");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// Nothing bounds the bytes of all files in the writable folders together.
    DiskTotal,
    /// The program can run code that it wrote itself.
    ExecWritten,
    /// Mode, owner, times and attributes of files of the same user can be changed.
    FileMetadata,
    /// Files of the same user are open to it.
    Files,
    /// Files of the same user can be emptied.
    FileTruncation,
    /// Limits and priorities of the host's processes can be changed.
    HostLimits,
    /// The memory, environment and descriptors of the host's processes can be read and changed.
    HostMemory,
    /// Shared memory and message queues of the same user are open to it.
    HostMessages,
    /// Rarely needed and often attacked parts of the kernel are open to it.
    KernelSurface,
    /// Sockets of other programs on this machine can be reached.
    LocalSockets,
    /// Nothing bounds the memory of all its processes together.
    MemoryTotal,
    /// Network connections can be opened.
    Network,
    /// Nothing bounds the number of its processes.
    ProcessCount,
    /// No kernel switch ends all of its processes at once.
    ProcessTree,
    /// Processes of the same user can be signalled and killed.
    Signals,
}

impl Missing {
    /// Returns whether a program without this protection is below [`Level::Enforced`].
    ///
    /// Totals of disk, memory and processes do not lower the level: without them a program can be
    /// a nuisance, not a spy.
    #[must_use]
    pub fn lowers_level(self) -> bool {
        !matches!(
            self,
            Self::DiskTotal | Self::MemoryTotal | Self::ProcessCount
        )
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskTotal => "nothing bounds what its files take up together",
            Self::ExecWritten => "the program can run code that it wrote itself",
            Self::FileMetadata => {
                "the program can change mode, owner and times of its user's files"
            }
            Self::Files => "the program can read and write its user's files",
            Self::FileTruncation => "the program can empty its user's files",
            Self::HostLimits => {
                "the program can change limits and priorities of its user's processes"
            }
            Self::HostMemory => "the program can read and change its user's processes",
            Self::HostMessages => "the program can use its user's shared memory and message queues",
            Self::KernelSurface => {
                "the program can use parts of the kernel that are often attacked"
            }
            Self::LocalSockets => "the program can reach sockets of other programs on this machine",
            Self::MemoryTotal => "memory is bounded for each process, not for all together",
            Self::Network => "the program can open network connections",
            Self::ProcessCount => "nothing bounds the number of its processes",
            Self::ProcessTree => "its processes are ended one by one, not at once",
            Self::Signals => "the program can signal and kill its user's processes",
        })
    }
}

/// How far confinement got, as negotiated with this kernel.
///
/// Obtained from [`Jail::expected`](crate::Jail::expected) before a start, and from
/// [`Confined::reached`](crate::Confined::reached) after it. The two are equal: a start that would
/// get less fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    mechanisms: Vec<Mechanism>,
    missing: Vec<Missing>,
}

impl Reached {
    pub(crate) fn new(mechanisms: Vec<Mechanism>, mut missing: Vec<Missing>) -> Self {
        missing.sort_unstable();
        missing.dedup();
        Self {
            mechanisms,
            missing,
        }
    }

    /// Returns the level.
    #[must_use]
    pub fn level(&self) -> Level {
        let kernel = self
            .mechanisms
            .iter()
            .any(|mechanism| matches!(mechanism, Mechanism::Landlock(_) | Mechanism::Seccomp));
        if !kernel {
            return Level::Declared;
        }
        match self.missing.iter().any(|missing| missing.lowers_level()) {
            true => Level::Mediated,
            false => Level::Enforced,
        }
    }

    /// Returns what holds the program back.
    #[must_use]
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.mechanisms
    }

    /// Returns what does not, in a fixed order.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Returns whether a protection is missing.
    #[must_use]
    pub fn lacks(&self, protection: Missing) -> bool {
        self.missing.contains(&protection)
    }
}

/// Where nothing is enforced everything is missing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn nothing() -> Reached {
    let everything = [
        Missing::DiskTotal,
        Missing::ExecWritten,
        Missing::FileMetadata,
        Missing::Files,
        Missing::FileTruncation,
        Missing::HostLimits,
        Missing::HostMemory,
        Missing::HostMessages,
        Missing::KernelSurface,
        Missing::LocalSockets,
        Missing::MemoryTotal,
        Missing::Network,
        Missing::ProcessCount,
        Missing::ProcessTree,
        Missing::Signals,
    ];
    Reached::new(Vec::new(), everything.to_vec())
}
