//! The thread that forks.
//!
//! A child that asks to be told of its parent's end is told of the end of the *thread* that forked
//! it. So all forks are made by one thread which ends with the process and never before.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use super::child;
use super::plan::{self, Identity, Plan};
use super::sys::{self, Fork};
use crate::probe::Namespaces;

type Job = Box<dyn FnOnce() + Send>;

/// There is one such thread in a process because it is a fact about the process, not a setting.
static SPAWNER: OnceLock<Option<Sender<Job>>> = OnceLock::new();

/// A child that was forked.
pub(super) struct Forked {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
}

/// Forks the child of a plan. The plan's descriptors are closed here afterwards.
pub(super) fn fork(plan: Plan) -> io::Result<Forked> {
    on_spawner(move || {
        let flags = plan.flags();
        fork_here(flags, &Child::Program(Box::new(plan)))
    })?
}

/// Forks a child into such namespaces that ends at once.
pub(super) fn fork_trial(namespaces: Namespaces) -> io::Result<Forked> {
    let identity = Identity::of(namespaces);
    on_spawner(move || fork_here(plan::flags(namespaces), &Child::Trial(identity)))?
}

/// What a child is forked for.
enum Child {
    Program(Box<Plan>),
    Trial(Option<Identity>),
}

#[expect(unsafe_code, reason = "forks, and takes the child's descriptor")]
fn fork_here(flags: i32, child: &Child) -> io::Result<Forked> {
    let mut pidfd = -1;
    // SAFETY: the child goes on in `child`, which makes system calls and never returns.
    match unsafe { sys::fork(flags, Some(&mut pidfd)) } {
        Ok(Fork::Child) => match child {
            Child::Program(plan) => child::run(plan),
            Child::Trial(identity) => child::trial(identity.as_ref()),
        },
        Ok(Fork::Parent(pid)) => Ok(Forked {
            pid: pid.unsigned_abs(),
            // SAFETY: the kernel has just put a new descriptor there, which nobody else knows.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
        Err(errno) => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Runs a job on the spawner and returns what it returns.
fn on_spawner<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let gone = || io::Error::other("the thread that forks is gone");
    let spawner = SPAWNER.get_or_init(start).as_ref().ok_or_else(gone)?;
    let (done, result) = channel();
    let job: Job = Box::new(move || drop(done.send(job())));
    spawner.send(job).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())
}

fn start() -> Option<Sender<Job>> {
    let (sender, jobs) = channel::<Job>();
    let run = move || {
        // A handler of the host must not run in the child.
        sys::block_signals();
        jobs.into_iter().for_each(|job| job());
    };
    let builder = std::thread::Builder::new().name("keyway-spawner".into());
    builder.spawn(run).ok().map(|_| sender)
}
