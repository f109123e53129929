//! What the kernel offers.

/// What the running kernel offers for confinement.
///
/// [`Probe::detect`] asks the kernel, once per process. The other methods only take away, so that
/// the levels of a poorer kernel can be tested on a richer one.
///
/// ```
/// use keyway_sandbox::{Jail, Level, Probe};
///
/// let poorer = Probe::detect().with_landlock_at_most(0).without_seccomp();
/// assert_eq!(Jail::new().probe(poorer).expected().level(), Level::Declared);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    pub(crate) landlock: u32,
    pub(crate) seccomp: bool,
    pub(crate) namespaces: Namespaces,
    /// Whether the processes of each user namespace are counted apart.
    pub(crate) counts_apart: bool,
}

/// How namespaces can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespaces {
    /// Not at all.
    None,
    /// With the power of an administrator.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux has them")
    )]
    Plain,
    /// Inside a user namespace.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux has them")
    )]
    User,
}

impl Probe {
    /// Asks the kernel. The answer is kept for the life of the process.
    ///
    /// Whether namespaces can be had is tried out with a child that ends at once.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_os = "linux")]
        return crate::linux::detect();
        #[cfg(not(target_os = "linux"))]
        return Self {
            landlock: 0,
            seccomp: false,
            namespaces: Namespaces::None,
            counts_apart: false,
        };
    }

    /// Pretends that Landlock's interface is of this version at most; 0 is no Landlock.
    #[must_use]
    pub fn with_landlock_at_most(mut self, abi: u32) -> Self {
        self.landlock = self.landlock.min(abi);
        self
    }

    /// Pretends that the kernel has no filter over system calls.
    #[must_use]
    pub fn without_seccomp(mut self) -> Self {
        self.seccomp = false;
        self
    }

    /// Pretends that no namespaces can be had.
    #[must_use]
    pub fn without_namespaces(mut self) -> Self {
        self.namespaces = Namespaces::None;
        self
    }

    /// Returns the version of Landlock's interface; 0 is no Landlock.
    #[must_use]
    pub fn landlock(&self) -> u32 {
        self.landlock
    }

    /// Returns whether there is a filter over system calls.
    #[must_use]
    pub fn has_seccomp(&self) -> bool {
        self.seccomp
    }

    /// Returns whether namespaces can be had.
    #[must_use]
    pub fn has_namespaces(&self) -> bool {
        self.namespaces != Namespaces::None
    }
}
