//! A control group (version 2) for one program.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::SpawnError;
use crate::limits::Limits;

/// Numbers the groups that this process has made.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A control group, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
}

/// What a parent group can bound for those below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) memory: bool,
    pub(super) processes: bool,
}

impl Offer {
    /// Looks at what a parent group hands down to the groups below it.
    ///
    /// # Errors
    /// Where the folder is no group of version 2: a group of version 1 would hold the processes but
    /// neither bound nor end them.
    pub(super) fn of(parent: &Path) -> io::Result<Self> {
        let handed = fs::read_to_string(parent.join("cgroup.subtree_control"))?;
        let has = |name| {
            handed
                .split_whitespace()
                .any(|controller| controller == name)
        };
        Ok(Self {
            memory: has("memory"),
            processes: has("pids"),
        })
    }
}

impl Group {
    /// Makes a group with these limits, and opens the file through which the child joins it.
    pub(super) fn make(parent: &Path, limits: &Limits) -> Result<(Self, OwnedFd), SpawnError> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("keyway-{}-{number}", std::process::id()));
        let failed = |source| SpawnError::Cgroup {
            path: path.clone(),
            source,
        };
        let offer = Offer::of(parent).map_err(failed)?;
        fs::create_dir(&path).map_err(failed)?;
        let group = Self { path: path.clone() };
        if let (true, Some(bytes)) = (offer.memory, limits.memory()) {
            group.set("memory.max", bytes).map_err(failed)?;
            // Without swap the limit is the limit; kernels without swap have no such file.
            let _ = group.set("memory.swap.max", 0);
        }
        if let (true, Some(count)) = (offer.processes, limits.processes()) {
            // The reaper counts as one.
            group
                .set("pids.max", count.saturating_add(1))
                .map_err(failed)?;
        }
        let join = group.open("cgroup.procs").map_err(failed)?;
        Ok((group, join.into()))
    }

    /// Kills all processes of the group.
    pub(super) fn kill(&self) {
        if self.set("cgroup.kill", 1).is_err() {
            self.kill_each();
        }
    }

    /// Kills what a kernel without that switch (before Linux 5.14) has in the group.
    ///
    /// Nothing forks in a group that is frozen, and what is frozen can be killed.
    fn kill_each(&self) {
        let _ = self.set("cgroup.freeze", 1);
        for pid in self.members() {
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
                continue;
            };
            // The number may have gone to another process before it was opened.
            if self.members().contains(&pid) {
                let _ = pidfd_send_signal(&process, Signal::KILL);
            }
        }
    }

    fn members(&self) -> Vec<Pid> {
        let ids = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        let ids = ids.lines().filter_map(|line| line.parse().ok());
        ids.filter_map(Pid::from_raw).collect()
    }

    /// Kills all processes of the group and blocks until it holds none, for ten seconds at most.
    pub(super) fn end(&self) {
        let moment = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        for _ in 0..5_000 {
            self.kill();
            let events = fs::read_to_string(self.path.join("cgroup.events")).unwrap_or_default();
            if !events.lines().any(|line| line == "populated 1") {
                return;
            }
            let _ = rustix::event::poll(&mut [], Some(&moment));
        }
    }

    /// Returns whether the kernel has killed one of its processes for want of memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        let kills = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "));
        kills.is_some_and(|count| count.trim() != "0")
    }

    fn set(&self, file: &str, value: u64) -> io::Result<()> {
        self.open(file)?.write_all(value.to_string().as_bytes())
    }

    fn open(&self, file: &str) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join(file))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
        // A group that still holds a process cannot be removed; it goes with its parent.
        let _ = fs::remove_dir(&self.path);
    }
}
