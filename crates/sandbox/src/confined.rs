//! A confined program while it runs.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::ended::Ended;
use crate::level::Reached;

#[cfg(target_os = "linux")]
use crate::linux::Tree;
#[cfg(not(target_os = "linux"))]
use crate::portable::Tree;

/// A confined program that was started. Dropping it kills all of its processes.
///
/// To wait without blocking, poll [`Confined::exit_fd`] for reading (`tokio::io::unix::AsyncFd` takes
/// a clone of it), then call [`Confined::try_wait`].
#[derive(Debug)]
pub struct Confined {
    pub(crate) tree: Tree,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) reached: Reached,
    pub(crate) ended: Option<Ended>,
}

impl Confined {
    /// Returns the process id of the root of the program's tree, for display.
    ///
    /// Where namespaces hold the tree that is a small process which started the program; its end is
    /// the tree's end. Act through [`Confined::terminate`] and [`Confined::kill`], not through this
    /// number, which the system may give to another process later.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.tree.pid()
    }

    /// Returns how far the program is confined.
    #[must_use]
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Takes the read end of the program's standard output. It is a blocking pipe.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.stdout.take()
    }

    /// Takes the read end of the program's standard error. It is a blocking pipe.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// Returns a descriptor that becomes readable when the tree is gone.
    #[must_use]
    pub fn exit_fd(&self) -> BorrowedFd<'_> {
        self.tree.exit_fd()
    }

    /// Returns how the program ended, or nothing while it runs.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn try_wait(&mut self) -> io::Result<Option<Ended>> {
        if self.ended.is_none() {
            self.ended = self.tree.wait(false)?;
        }
        Ok(self.ended)
    }

    /// Blocks until the program and all of its processes have ended.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn wait(&mut self) -> io::Result<Ended> {
        loop {
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
            self.ended = self.tree.wait(true)?;
        }
    }

    /// Asks all processes of the program to end (SIGTERM). They may take their time, or refuse.
    ///
    /// # Errors
    /// What the operating system said. A program that has ended is no error.
    pub fn terminate(&mut self) -> io::Result<()> {
        match self.ended {
            Some(_) => Ok(()),
            None => self.tree.terminate(),
        }
    }

    /// Kills all processes of the program. They are gone when [`Confined::wait`] returns.
    ///
    /// # Errors
    /// What the operating system said. A program that has ended is no error.
    pub fn kill(&mut self) -> io::Result<()> {
        match self.ended {
            Some(_) => Ok(()),
            None => self.tree.kill(),
        }
    }
}

impl AsFd for Confined {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.exit_fd()
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        // Nobody is left to be told of a failure; the child sees its host's end of the socket close.
        let _ = self.kill();
        self.tree.linger();
        let _ = self.try_wait();
    }
}
