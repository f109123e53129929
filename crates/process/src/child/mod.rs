//! One process of one plugin: spawned in its jail, proved by a handshake, registered, started.
//!
//! A [`Child`] owns everything that belongs to its process. Dropping it ends all of it: the process
//! and its descendants, the tasks, the scratch folder.

mod asking;
mod handshake;
mod link;
mod output;
mod spawn;
mod stop;
mod traffic;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use keyway_channel::message::{HostRequest, RawAnswer};
use keyway_sandbox::{Confined, Ended};
use serde_json::value::RawValue;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub(crate) use asking::Answer;
pub(crate) use link::{Closed, Ending, Link, Lost};
pub(crate) use spawn::{Order, Spawned};

use crate::ProcessError;
use crate::program::{InUse, Scratch};
use crate::runtime::Registered;
use output::Output;

/// How long the last words of a process are waited for. They have been written when it has ended; a
/// machine that is busy reads them later.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A process that serves.
pub(crate) struct Child {
    process: Process,
    link: Arc<Link>,
    /// The reader and the writer.
    tasks: Vec<AbortHandle>,
    pub(crate) registered: Arc<Registered>,
}

/// The operating system's side of a child.
struct Process {
    confined: Confined,
    exit: AsyncFd<std::os::fd::OwnedFd>,
    output: Arc<Output>,
    pumps: Vec<tokio::task::JoinHandle<()>>,
    _copy: Arc<InUse>,
    _scratch: Scratch,
}

/// What a child shows of itself.
pub(crate) enum Sign {
    /// Its channel ended.
    Closed(Arc<Closed>),
    /// All of its processes are gone.
    Exited(String),
}

impl Child {
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Waits for the next sign; a channel that has ended is said once, by `is_closed_known`.
    pub(crate) async fn sign(&mut self, is_closed_known: bool) -> Sign {
        tokio::select! {
            biased;
            ended = self.process.ended() => Sign::Exited(ended),
            closed = self.link.ended(), if !is_closed_known => Sign::Closed(closed),
        }
    }

    /// Returns the last lines that the process wrote.
    pub(crate) async fn last_lines(&mut self) -> Vec<String> {
        self.process.last_lines().await
    }

    /// Lets the reader take in what the process said before it ended; a grandchild that holds the
    /// channel open does not hold this up.
    pub(crate) async fn settle(&self) -> Arc<Closed> {
        if let Ok(closed) = timeout(Duration::from_millis(50), self.link.ended()).await {
            return closed;
        }
        self.link.close(Ending::Peer);
        self.link.ended().await
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.link.close(Ending::Host);
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Process {
    /// Waits until all processes of the tree are gone.
    async fn ended(&mut self) -> String {
        loop {
            if let Some(ended) = self.try_wait() {
                return ended;
            }
            match self.exit.readable().await {
                Ok(mut guard) => match self.confined.try_wait() {
                    Ok(None) => guard.clear_ready(),
                    Ok(Some(ended)) => return ended.to_string(),
                    Err(error) => return lost(&error),
                },
                Err(error) => return lost(&error),
            }
        }
    }

    fn try_wait(&mut self) -> Option<String> {
        match self.confined.try_wait() {
            Ok(ended) => ended.as_ref().map(Ended::to_string),
            Err(error) => Some(lost(&error)),
        }
    }

    async fn last_lines(&mut self) -> Vec<String> {
        for pump in &mut self.pumps {
            // A descendant may hold the pipe open.
            drop(timeout(LAST_WORDS, pump).await);
        }
        self.output.last_lines()
    }

    /// Ends all processes now and waits for their end.
    async fn kill(&mut self) -> String {
        if let Err(error) = self.confined.kill() {
            tracing::error!("a plugin's process could not be killed: {error}");
        }
        match timeout(Duration::from_secs(2), self.ended()).await {
            Ok(ended) => ended,
            Err(_) => "could not be ended within 2 s".to_owned(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        for pump in &self.pumps {
            pump.abort();
        }
    }
}

fn lost(error: &io::Error) -> String {
    format!("could not be waited for: {error}")
}

/// Asks the plugin to do something within a limit.
async fn stage(
    link: &Link,
    request: HostRequest,
    (stage, limit): (&'static str, Duration),
) -> Result<Box<RawValue>, StageError> {
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let answer: RawAnswer = match timeout(limit, link.ask(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(Lost::Unsendable(error))) => {
            return Err(StageError::Known(ProcessError::Protocol(error.into())));
        }
        Ok(Err(_)) => return Err(StageError::Gone),
        Err(_) => {
            return Err(StageError::Known(ProcessError::TimedOut {
                stage,
                limit_ms,
            }));
        }
    };
    answer.map_err(|error| {
        let reason = keyway_host::text::printable_lines(&error.to_reason()).into_owned();
        StageError::Known(ProcessError::Refused { stage, reason })
    })
}

/// Why a stage failed.
enum StageError {
    /// The channel ended; the process knows more.
    Gone,
    Known(ProcessError),
}

impl From<ProcessError> for StageError {
    fn from(error: ProcessError) -> Self {
        Self::Known(error)
    }
}
