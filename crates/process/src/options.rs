//! What an embedder can choose.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use keyway_channel::pulse::PulseLimits;
use keyway_sandbox::{Limits, Probe};

use crate::supervisor::SupervisorPolicy;

/// How the process runtime runs plugins. Every default is meant for production.
///
/// ```
/// use std::time::Duration;
/// use keyway_process::ProcessOptions;
/// let options = ProcessOptions::new()
///     .with_lazy_start(true)
///     .with_idle_stop(Some(Duration::from_secs(300)));
/// assert!(options.is_lazy());
/// ```
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    pub(crate) interpreters: BTreeMap<String, PathBuf>,
    pub(crate) is_lazy: bool,
    pub(crate) idle: Option<Duration>,
    pub(crate) handshake: Duration,
    pub(crate) cancel_grace: Duration,
    pub(crate) stop: StopTimes,
    pub(crate) pulse: PulseLimits,
    pub(crate) supervision: SupervisorPolicy,
    pub(crate) limits: Limits,
    pub(crate) probe: Option<Probe>,
    pub(crate) cgroup: Option<PathBuf>,
}

/// How long each step of a stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "meant for struct update syntax")]
pub struct StopTimes {
    /// For calls that are in flight (1 s).
    pub drain: Duration,
    /// For the plugin's own `stop` and its exit (1.5 s).
    pub shutdown: Duration,
    /// Between SIGTERM and SIGKILL (500 ms).
    pub terminate: Duration,
}

impl Default for StopTimes {
    fn default() -> Self {
        Self {
            drain: Duration::from_millis(1_000),
            shutdown: Duration::from_millis(1_500),
            terminate: Duration::from_millis(500),
        }
    }
}

impl Default for ProcessOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcessOptions {
    /// Begins with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            interpreters: BTreeMap::new(),
            is_lazy: false,
            idle: None,
            handshake: Duration::from_secs(5),
            cancel_grace: Duration::from_secs(2),
            stop: StopTimes::default(),
            pulse: PulseLimits::default(),
            supervision: SupervisorPolicy::default(),
            limits: Limits::default(),
            probe: None,
            cgroup: None,
        }
    }

    /// Names the program for an interpreter's word (`python3`), instead of the first one in
    /// `/usr/local/bin`, `/usr/bin` and `/bin`.
    #[must_use]
    pub fn with_interpreter(mut self, word: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.interpreters.insert(word.into(), path.into());
        self
    }

    /// Sets whether a plugin whose tools are known from an earlier start gets its process with its
    /// first call only (no).
    #[must_use]
    pub fn with_lazy_start(mut self, is_lazy: bool) -> Self {
        self.is_lazy = is_lazy;
        self
    }

    /// Sets after how long without a call a process is stopped until the next one; never by
    /// default. It is for plugins that do nothing between calls.
    #[must_use]
    pub fn with_idle_stop(mut self, idle: Option<Duration>) -> Self {
        self.idle = idle;
        self
    }

    /// Sets how long spawning and the handshake may take together (5 s; at most 60 s count).
    #[must_use]
    pub fn with_handshake(mut self, limit: Duration) -> Self {
        self.handshake = limit.min(Duration::from_secs(60));
        self
    }

    /// Sets how long a tool may go on after its call was cancelled, before that counts as ignored
    /// (2 s).
    #[must_use]
    pub fn with_cancel_grace(mut self, grace: Duration) -> Self {
        self.cancel_grace = grace;
        self
    }

    /// Sets how long the steps of a stop may take.
    #[must_use]
    pub fn with_stop_times(mut self, times: StopTimes) -> Self {
        self.stop = times;
        self
    }

    /// Sets when a silent process is asked for a sign of life and when it counts as dead (after
    /// 5 s; after 3 pings).
    #[must_use]
    pub fn with_pulse(mut self, pulse: PulseLimits) -> Self {
        self.pulse = pulse;
        self
    }

    /// Sets how patient the supervisor is.
    #[must_use]
    pub fn with_supervision(mut self, policy: SupervisorPolicy) -> Self {
        self.supervision = policy;
        self
    }

    /// Sets what a plugin may use up.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what the kernel offers; tests pretend to have a poorer one.
    #[must_use]
    pub fn with_probe(mut self, probe: Probe) -> Self {
        self.probe = Some(probe);
        self
    }

    /// Makes a control group for each plugin below this delegated folder.
    #[must_use]
    pub fn with_cgroup(mut self, parent: impl Into<PathBuf>) -> Self {
        self.cgroup = Some(parent.into());
        self
    }

    /// Tells whether a plugin with known tools gets its process with its first call only.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        self.is_lazy
    }
}
