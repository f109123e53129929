//! A plugin's process with the channel on descriptor 3 and the secret on 4.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use keyway_channel::handshake::Secret;

/// How to start a plugin.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program: a path, or a name to look up in `PATH`.
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    /// The package, where the program runs.
    pub(crate) package: PathBuf,
}

/// A running plugin.
#[derive(Debug)]
pub(crate) struct Plugin {
    process: Child,
}

impl Launch {
    /// Starts the plugin with an environment made of nothing, as a host does.
    pub(crate) fn start(&self, secret: &Secret, home: &Path) -> io::Result<(Plugin, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let (secret_out, mut secret_in) = io::pipe()?;
        let mappings = vec![
            FdMapping {
                parent_fd: OwnedFd::from(theirs),
                child_fd: 3,
            },
            FdMapping {
                parent_fd: OwnedFd::from(secret_out),
                child_fd: 4,
            },
        ];
        let mut command = Command::new(&self.command);
        command
            .args(&self.args)
            .current_dir(&self.package)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home)
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("KEYWAY_CHANNEL", "fd:3")
            .env("KEYWAY_SECRET_FD", "4")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .fd_mappings(mappings)
            .map_err(io::Error::other)?;
        let process = command.spawn()?;
        // The command holds the child's ends; they close with it, so that an end is seen.
        drop(command);
        secret_in.write_all(secret.expose())?;
        Ok((Plugin { process }, ours))
    }
}

impl Plugin {
    /// Waits for the end, no longer than the limit.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let step = Duration::from_millis(5);
        for _ in 0..=limit.as_millis() / step.as_millis() {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            pause(step);
        }
        None
    }

    /// Ends the process and returns what it wrote to its standard streams.
    pub(crate) fn finish(mut self) -> (String, String) {
        drop(self.process.kill());
        drop(self.process.wait());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        if let Some(mut stream) = self.process.stdout.take() {
            drop(stream.read_to_end(&mut out));
        }
        if let Some(mut stream) = self.process.stderr.take() {
            drop(stream.read_to_end(&mut err));
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&out), text(&err))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program that waits for another one has nothing else to do"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
