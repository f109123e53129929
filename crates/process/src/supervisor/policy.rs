//! The numbers of supervision.

/// How patient a [`Supervisor`](super::Supervisor) is. All times are in milliseconds.
///
/// ```
/// use keyway_process::supervisor::SupervisorPolicy;
/// let policy = SupervisorPolicy { crashes: 5, ..SupervisorPolicy::default() };
/// assert_eq!((policy.backoff_ms, policy.crashes), (200, 5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant for struct update syntax; a new number is a minor release"
)]
pub struct SupervisorPolicy {
    /// Delay before the first restart (200); it doubles with each crash in a row.
    pub backoff_ms: u64,
    /// Longest delay before a restart (30,000).
    pub backoff_max_ms: u64,
    /// Time of good service after which delays begin anew and a probe counts as healed (60,000).
    pub healthy_ms: u64,
    /// Crashes within the window after which nothing is restarted for a while (3).
    pub crashes: usize,
    /// The window in which crashes are counted (300,000).
    pub window_ms: u64,
    /// How long nothing is restarted then (300,000).
    pub open_ms: u64,
    /// Whether one probe is tried after that time (yes); otherwise only an operator can.
    pub probes: bool,
    /// Crashes under one tool alone after which that tool is out (2).
    pub strikes: u32,
    /// Cancellations ignored within their window after which the process is restarted (3).
    pub ignored_cancels: usize,
    /// The window in which ignored cancellations are counted (60,000).
    pub ignored_window_ms: u64,
    /// How long a process whose channel closed may take to end (1,000): its end says why, and on a busy
    /// machine it comes later.
    pub exit_grace_ms: u64,
}

impl Default for SupervisorPolicy {
    fn default() -> Self {
        Self {
            backoff_ms: 200,
            backoff_max_ms: 30_000,
            healthy_ms: 60_000,
            crashes: 3,
            window_ms: 300_000,
            open_ms: 300_000,
            probes: true,
            strikes: 2,
            ignored_cancels: 3,
            ignored_window_ms: 60_000,
            exit_grace_ms: 1_000,
        }
    }
}
