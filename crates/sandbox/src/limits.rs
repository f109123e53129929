//! What a program may use up.

/// What a program may use up.
///
/// `None` leaves the host's own limit in place. Core dumps are always off.
///
/// ```
/// use keyway_sandbox::Limits;
///
/// let limits = Limits::default().with_memory(Some(256 << 20)).with_processes(Some(16));
/// assert_eq!(limits.memory(), Some(256 << 20));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    address_space: Option<u64>,
    cpu_seconds: Option<u64>,
    file_bytes: Option<u64>,
    memory: Option<u64>,
    open_files: Option<u64>,
    processes: Option<u64>,
}

impl Default for Limits {
    /// 1 GiB of memory, 128 processes and threads, 256 descriptors, 256 MiB for one file; no bound
    /// on CPU time and address space.
    fn default() -> Self {
        Self {
            address_space: None,
            cpu_seconds: None,
            file_bytes: Some(256 << 20),
            memory: Some(1 << 30),
            open_files: Some(256),
            processes: Some(128),
        }
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident, $with:ident;)*) => {
        impl Limits {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Option<u64> {
                    self.$name
                }

                /// Sets this limit.
                #[must_use]
                pub fn $with(mut self, limit: Option<u64>) -> Self {
                    self.$name = limit;
                    self
                }
            )*
        }
    };
}

limits! {
    /// Returns the bytes of address space of one process. Runtimes that reserve address space,
    /// such as Node, do not start below many gigabytes.
    address_space, with_address_space;
    /// Returns the seconds of CPU time of one process.
    cpu_seconds, with_cpu_seconds;
    /// Returns the bytes that one file may grow to.
    file_bytes, with_file_bytes;
    /// Returns the bytes of private memory: of one process, and of all together where a control
    /// group is at hand.
    memory, with_memory;
    /// Returns how many descriptors one process may hold.
    open_files, with_open_files;
    /// Returns how many processes and threads there may be.
    processes, with_processes;
}
