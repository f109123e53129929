//! How a confined program ended.

use std::fmt;

/// How a confined program ended. By then all of its processes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// The host ended it, or the host's own end did.
    Killed,
    /// It went beyond a limit and was ended by the kernel for it.
    Limited(Limit),
    /// This signal ended it.
    Signalled(i32),
}

/// A limit that a program was ended for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Its seconds of CPU time.
    CpuSeconds,
    /// The bytes of one file.
    FileBytes,
    /// The memory of all of its processes together.
    Memory,
}

impl Ended {
    /// Returns whether the program exited with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Killed => f.write_str("was killed by its host"),
            Self::Limited(limit) => write!(f, "was ended for going beyond its limit of {limit}"),
            Self::Signalled(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuSeconds => "CPU time",
            Self::FileBytes => "bytes in one file",
            Self::Memory => "memory",
        })
    }
}
