//! Confinement on Linux: Landlock, a filter over system calls, namespaces, limits and, where one is
//! named, a control group.
//!
//! The parent prepares everything ([`plan`]), one long-lived thread forks ([`spawner`]), the child
//! makes system calls only ([`child`], [`init`], [`sys`]).

mod cgroup;
mod child;
mod filter;
mod init;
mod outright;
mod plan;
mod rules;
mod spawner;
mod sys;
mod tree;

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;

use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::confined::Confined;
use crate::error::SpawnError;
use crate::jail::{Handover, Jail};
use crate::level::{Mechanism, Missing, Reached};
use crate::probe::{Namespaces, Probe};
use crate::program::Program;

pub(crate) use tree::Tree;

/// Asks the kernel what it offers, once.
pub(crate) fn detect() -> Probe {
    static DETECTED: OnceLock<Probe> = OnceLock::new();
    let release = || fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    *DETECTED.get_or_init(|| Probe {
        landlock: sys::landlock_version()
            .ok()
            .and_then(|version| u32::try_from(version).ok())
            .unwrap_or(0),
        seccomp: filter::is_supported() && sys::can_filter(),
        namespaces: [Namespaces::Plain, Namespaces::User]
            .into_iter()
            .find(|namespaces| works(*namespaces))
            .unwrap_or(Namespaces::None),
        counts_apart: version(&release()) >= (5, 14),
    })
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> (u32, u32) {
    let numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut numbers = numbers.map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn works(namespaces: Namespaces) -> bool {
    let Ok(child) = spawner::fork_trial(namespaces) else {
        return false;
    };
    loop {
        match waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Err(rustix::io::Errno::INTR) => {}
            ended => return matches!(ended, Ok(Some(status)) if status.exit_status() == Some(0)),
        }
    }
}

/// Says how far a jail gets, from what the kernel offers and what the jail wants.
pub(crate) fn expected(jail: &Jail) -> Reached {
    let Probe {
        landlock,
        seccomp,
        namespaces,
        counts_apart: _,
    } = jail.probe;
    let inside = namespaces != Namespaces::None;
    let group = jail
        .cgroup
        .as_deref()
        .and_then(|parent| cgroup::Offer::of(parent).ok());
    let limits = jail.limits;
    let by_group = |has: fn(cgroup::Offer) -> bool| group.is_some_and(has);
    let counted = counts_processes(jail) || by_group(|offer| offer.processes);
    let missing = [
        (Missing::DiskTotal, !jail.scratch.is_empty()),
        (Missing::ExecWritten, !seccomp || landlock == 0),
        (Missing::FileMetadata, !seccomp),
        (Missing::Files, landlock == 0),
        (
            Missing::FileTruncation,
            !seccomp && landlock < rules::TRUNCATION,
        ),
        (Missing::HostLimits, !seccomp && !inside),
        (Missing::HostMemory, landlock == 0),
        (Missing::HostMessages, !seccomp && !inside),
        (Missing::KernelSurface, !seccomp),
        (Missing::LocalSockets, !seccomp),
        (
            Missing::MemoryTotal,
            limits.memory().is_none() || !by_group(|offer| offer.memory),
        ),
        (Missing::Network, !seccomp && !inside),
        (
            Missing::ProcessCount,
            limits.processes().is_none() || !counted,
        ),
        (Missing::ProcessTree, !inside && group.is_none()),
        (Missing::Signals, !inside && landlock < rules::SCOPES),
    ];
    let mechanisms = [
        (Mechanism::Cgroup, group.is_some()),
        (Mechanism::Landlock(landlock), landlock > 0),
        (Mechanism::Namespaces, inside),
        (Mechanism::Rlimits, true),
        (Mechanism::Seccomp, seccomp),
    ];
    Reached::new(
        mechanisms
            .into_iter()
            .filter_map(|(one, there)| there.then_some(one))
            .collect(),
        missing
            .into_iter()
            .filter_map(|(one, absent)| absent.then_some(one))
            .collect(),
    )
}

/// Returns whether the kernel counts the processes of a jail apart from all others.
///
/// It never counts those of user 0, and those of one user together unless a user namespace (since
/// Linux 5.14) or a user of its own sets the jail apart. Before that the limit would hold the
/// program to what its user's other processes leave of it.
fn counts_processes(jail: &Jail) -> bool {
    match jail.run_as {
        Some((user, _)) => user != 0,
        None => counts_namespace(&jail.probe) && !rustix::process::geteuid().is_root(),
    }
}

fn counts_namespace(probe: &Probe) -> bool {
    probe.namespaces == Namespaces::User && probe.counts_apart
}

/// Starts a program.
pub(crate) fn spawn(
    jail: &Jail,
    program: &Program,
    handover: Handover,
    reached: Reached,
) -> Result<Confined, SpawnError> {
    let (group, join) = match &jail.cgroup {
        None => (None, None),
        Some(parent) => {
            let (group, join) = cgroup::Group::make(parent, &jail.limits)?;
            (Some(group), Some(join))
        }
    };
    let (plan, mut ends) = plan::Plan::prepare(jail, program, handover, join)?;
    let namespaced = plan.is_namespaced();
    let forked = spawner::fork(plan).map_err(SpawnError::host("forking"))?;
    let confined = Confined {
        tree: Tree::new(forked, ends.control, group, namespaced),
        stdout: Some(ends.stdout),
        stderr: Some(ends.stderr),
        reached,
        ended: None,
    };
    // The report is empty when the program has begun: the exec closed its other end.
    let mut report = Vec::new();
    ends.report
        .read_to_end(&mut report)
        .map_err(SpawnError::host("reading the child's report"))?;
    match report.as_slice() {
        [] => Ok(confined),
        [step, errno @ ..] => Err(SpawnError::Step {
            step: child::Step::named(*step),
            source: io::Error::from_raw_os_error(errno.try_into().map_or(0, i32::from_ne_bytes)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        for (release, expected) in [
            ("5.10.0-46-amd64\n", (5, 10)),
            ("6.1.0-56-amd64", (6, 1)),
            ("6.18.44-fc-v782", (6, 18)),
            ("7-rc1", (7, 0)),
            ("", (0, 0)),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!(version("6.1.0") > (5, 14) && version("5.9.1") < (5, 14));
    }

    #[test]
    fn an_ordinary_users_processes_are_only_limited_where_they_are_counted_apart() {
        let mut probe = Probe::detect();
        for (namespaces, counts_apart, counted) in [
            (Namespaces::User, true, true),
            (Namespaces::User, false, false),
            (Namespaces::Plain, true, false),
            (Namespaces::None, true, false),
        ] {
            (probe.namespaces, probe.counts_apart) = (namespaces, counts_apart);
            assert_eq!(counts_namespace(&probe), counted, "{probe:?}");
        }
    }
}
