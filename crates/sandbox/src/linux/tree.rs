//! The processes of one confined program, seen from the host.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::cgroup::Group;
use super::init::{KILL, TERMINATE};
use super::spawner::Forked;
use crate::ended::{Ended, Limit};

/// The processes of one confined program.
#[derive(Debug)]
pub(crate) struct Tree {
    control: OwnedFd,
    group: Option<Group>,
    namespaced: bool,
    pid: u32,
    pidfd: OwnedFd,
}

impl Tree {
    pub(super) fn new(
        forked: Forked,
        control: OwnedFd,
        group: Option<Group>,
        namespaced: bool,
    ) -> Self {
        Self {
            control,
            group,
            namespaced,
            pid: forked.pid,
            pidfd: forked.pidfd,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn exit_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    pub(crate) fn terminate(&self) -> io::Result<()> {
        self.tell(TERMINATE)
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        if let Some(group) = &self.group {
            group.kill();
        }
        match self.namespaced {
            // The end of the first process is the end of its namespace.
            true => ended_is_fine(pidfd_send_signal(&self.pidfd, Signal::KILL)),
            false => self.tell(KILL),
        }
    }

    /// Returns how the program ended, once all of its processes are gone.
    pub(crate) fn wait(&self, block: bool) -> io::Result<Option<Ended>> {
        let options = match block {
            true => WaitIdOptions::EXITED,
            false => WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        };
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(None) | Err(Errno::INTR) => return Ok(None),
            // Somebody else in the host waits for every child; the report is there all the same.
            Ok(Some(_)) | Err(Errno::CHILD) => {}
            Err(errno) => return Err(errno.into()),
        }
        if let Some(group) = &self.group {
            group.end();
        }
        let ended = self.report().map_or(Ended::Killed, how);
        let beyond_memory = self.group.as_ref().is_some_and(Group::ran_out_of_memory);
        Ok(Some(match ended {
            Ended::Signalled(_) | Ended::Killed if beyond_memory => Ended::Limited(Limit::Memory),
            ended => ended,
        }))
    }

    /// Blocks until the tree is gone, for a second at most.
    pub(crate) fn linger(&self) {
        let second = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let _ = poll(
            &mut [PollFd::new(&self.pidfd, PollFlags::IN)],
            Some(&second),
        );
    }

    fn tell(&self, wish: u8) -> io::Result<()> {
        ended_is_fine(send(&self.control, &[wish], SendFlags::NOSIGNAL).map(drop))
    }

    /// What the reaper saw of the program's end.
    fn report(&self) -> Option<i32> {
        let mut status = [0; 4];
        let flags = rustix::net::RecvFlags::DONTWAIT;
        let (count, _) = rustix::net::recv(&self.control, &mut status, flags).ok()?;
        (count == status.len()).then(|| i32::from_ne_bytes(status))
    }
}

fn ended_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::SRCH | Errno::PIPE | Errno::CONNRESET) => Ok(()),
        other => Ok(other?),
    }
}

fn how(status: i32) -> Ended {
    match (libc::WIFEXITED(status), libc::WTERMSIG(status)) {
        (true, _) => Ended::Exited(libc::WEXITSTATUS(status)),
        (false, libc::SIGXCPU) => Ended::Limited(Limit::CpuSeconds),
        (false, libc::SIGXFSZ) => Ended::Limited(Limit::FileBytes),
        (false, signal) => Ended::Signalled(signal),
    }
}
