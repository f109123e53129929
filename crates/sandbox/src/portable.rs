//! Where nothing confines a program: an environment from nothing and a process group of its own.
//!
//! It is compiled into this crate's own tests on Linux, too, so that it stays true.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::ended::Ended;
use crate::error::SpawnError;
use crate::jail::{Handover, Jail};
use crate::program::{Image, Program};

/// Descriptors for the child lie above this, so that placing one never covers another.
const ABOVE: RawFd = 64;

/// A program and its process group.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Becomes readable when the thread that waits for the program closes its other end.
    exit: OwnedFd,
    pid: u32,
    /// What that thread says.
    status: Mutex<Receiver<io::Result<ExitStatus>>>,
}

/// Starts a program; returns also what it prints and what it complains of.
pub(crate) fn start(
    jail: &Jail,
    program: &Program,
    handover: Handover,
) -> Result<(Tree, OwnedFd, OwnedFd), SpawnError> {
    let mut command = command(jail, program)?;
    command.stdin(handover.stdin.map_or_else(Stdio::null, Stdio::from));
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let handed = handover
        .descriptors
        .into_iter()
        .map(|fd| Ok(rustix::io::fcntl_dupfd_cloexec(fd, ABOVE)?));
    let handed: io::Result<Vec<OwnedFd>> = handed.collect();
    hand_over(
        &mut command,
        handed.map_err(SpawnError::host("copying a descriptor"))?,
    );
    let mut child = command
        .spawn()
        .map_err(SpawnError::host("starting the program"))?;
    match (child.stdout.take(), child.stderr.take()) {
        (Some(out), Some(err)) => {
            let tree = Tree::watch(child).map_err(SpawnError::host("watching the program"))?;
            Ok((tree, out.into(), err.into()))
        }
        _ => Err(SpawnError::host("making a pipe")(
            io::ErrorKind::BrokenPipe.into(),
        )),
    }
}

fn command(jail: &Jail, program: &Program) -> Result<Command, SpawnError> {
    let path = match &program.image {
        Image::At(path) => path,
        // Cannot be made here; on Linux, where these lines are tested, it has another way to run.
        #[cfg(target_os = "linux")]
        Image::Sealed { .. } => {
            return Err(SpawnError::host("running a sealed program")(
                io::ErrorKind::Unsupported.into(),
            ));
        }
    };
    let mut command = Command::new(path);
    command
        .arg0(&program.name)
        .args(&program.arguments)
        .current_dir(jail.folder());
    command
        .env_clear()
        .envs(jail.environment.complete(jail.home()));
    if let Some((user, group)) = jail.run_as {
        command.uid(user).gid(group);
    }
    Ok(command)
}

#[expect(unsafe_code, reason = "places descriptors between fork and exec")]
fn hand_over(command: &mut Command, handed: Vec<OwnedFd>) {
    let place = move || {
        for (number, fd) in (3..).zip(&handed) {
            copy_fd(fd.as_raw_fd(), number)?;
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and makes one system call a time.
    unsafe { command.pre_exec(place) };
}

/// Makes `to` a copy of `from` that stays open at the exec.
#[expect(
    unsafe_code,
    reason = "the kernel's numbers of descriptors that are not Rust's yet"
)]
fn copy_fd(from: RawFd, to: RawFd) -> io::Result<()> {
    use std::os::fd::{FromRawFd as _, IntoRawFd as _};
    // SAFETY: `from` is open for as long as the closure that calls this; `to` is this child's own
    // and nobody's yet, and is given away again right after.
    unsafe {
        let from = BorrowedFd::borrow_raw(from);
        let mut to = OwnedFd::from_raw_fd(to);
        let done = rustix::io::dup2(from, &mut to);
        let _ = to.into_raw_fd();
        Ok(done?)
    }
}

impl Tree {
    fn watch(mut child: Child) -> io::Result<Self> {
        let (exit, open) = io::pipe()?;
        let (tell, status) = channel();
        let pid = child.id();
        let run = move || {
            let _ = tell.send(child.wait());
            drop(open);
        };
        std::thread::Builder::new()
            .name("keyway-waiter".into())
            .spawn(run)?;
        Ok(Self {
            exit: exit.into(),
            pid,
            status: Mutex::new(status),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn exit_fd(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }

    pub(crate) fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    pub(crate) fn wait(&self, block: bool) -> io::Result<Option<Ended>> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let status = match block {
            true => status.recv().map_err(io::Error::other)?,
            false => match status.try_recv() {
                Ok(status) => status,
                Err(_) => return Ok(None),
            },
        }?;
        // Whoever is left in its group goes with it.
        let _ = self.kill();
        Ok(Some(match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, Some(signal)) => Ended::Signalled(signal),
            (None, None) => Ended::Killed,
        }))
    }

    /// Blocks until the program is gone, for a second at most.
    pub(crate) fn linger(&self) {
        let second = rustix::event::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let mut fds = [rustix::event::PollFd::new(
            &self.exit,
            rustix::event::PollFlags::IN,
        )];
        let _ = rustix::event::poll(&mut fds, Some(&second));
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let group = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match group.map(|group| kill_process_group(group, signal)) {
            None | Some(Ok(()) | Err(rustix::io::Errno::SRCH | rustix::io::Errno::PERM)) => Ok(()),
            Some(Err(errno)) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use super::start;
    use crate::{Ended, Handover, Jail, Program};

    fn sh(line: &str) -> Program {
        Program::at("/bin/sh").args(["-c", line])
    }

    #[test]
    fn a_program_gets_what_is_handed_over_and_an_environment_from_nothing() {
        let (mut host, child) = UnixStream::pair().unwrap();
        let handover = Handover::new().fd(child);
        let program = Program::at("/usr/bin/env").args(["sh", "-c", "env >&3"]);
        let (tree, _, _) = start(&Jail::new(), &program, handover).unwrap();
        let mut said = String::new();
        host.read_to_string(&mut said).unwrap();
        let mut names: Vec<_> = said
            .lines()
            .filter_map(|l| l.split_once('='))
            .map(|l| l.0)
            .collect();
        names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name)); // the shell's own
        names.sort_unstable();
        assert_eq!(names, ["LANG", "PATH"]);
        assert_eq!(tree.wait(true).unwrap(), Some(Ended::Exited(0)));
    }

    #[test]
    fn a_group_is_asked_to_end_and_killed() {
        let (tree, out, _) = start(&Jail::new(), &sh("echo; sleep 1000"), Handover::new()).unwrap();
        File::from(out).read_exact(&mut [0]).unwrap();
        assert_eq!(tree.wait(false).unwrap(), None);
        assert!(tree.pid() > 1 && rustix::io::fcntl_getfd(tree.exit_fd()).is_ok());
        tree.terminate().unwrap();
        assert_eq!(tree.wait(true).unwrap(), Some(Ended::Signalled(15)));
        let (tree, _, _) = start(&Jail::new(), &sh("sleep 1000"), Handover::new()).unwrap();
        tree.kill().unwrap();
        tree.linger();
        assert_eq!(tree.wait(true).unwrap(), Some(Ended::Signalled(9)));
    }
}
