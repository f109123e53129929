//! Watches one server: its end, its changed lists, its return.

use std::time::Duration;

use keyway_host::runtime::{Failure, Supervision};
use keyway_plugin_api::{LogLevel, ToolDescriptor};
use tokio::time::Instant;

use super::instance::{descriptors, read, report, tools};
use crate::McpError;
use crate::client::{Connection, McpClient};
use crate::config::McpServer;
use crate::tools::{Link, ToolReading};

/// Waiting before the first return; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest wait before a return.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Ends within [`WINDOW`] after which only an operator brings the server back.
const ENDS: usize = 3;
/// The time in which ends are counted.
const WINDOW: Duration = Duration::from_secs(300);
/// A server that says that its list changed may say so again at once.
const SETTLE: Duration = Duration::from_millis(100);

pub(super) struct Supervisor {
    pub(super) server: McpServer,
    pub(super) connection: Connection,
    pub(super) supervision: Supervision,
    pub(super) link: Link,
    /// The tools as they were registered, and so approved.
    pub(super) approved: Vec<ToolDescriptor>,
    pub(super) look_again: Duration,
}

/// Waits for the end of a session.
async fn how_it_ends(client: &McpClient) -> String {
    let mut ended = client.ended();
    let seen = ended.wait_for(Option::is_some).await.ok();
    seen.and_then(|how| how.clone())
        .unwrap_or_else(|| "its session is gone".to_owned())
}

impl Supervisor {
    pub(super) async fn run(self, mut client: McpClient) {
        let mut ends: Vec<Instant> = Vec::new();
        loop {
            let reason = self.watch(&client).await;
            self.link.set(None);
            let now = Instant::now();
            ends.retain(|end| now.duration_since(*end) < WINDOW);
            ends.push(now);
            match self.come_back(&reason, &mut ends).await {
                Some(next) => client = next,
                None => return,
            }
        }
    }

    /// Looks at the lists when the server says that they changed, and now and then anyway; gives back
    /// how the server ended.
    async fn watch(&self, client: &McpClient) -> String {
        let mut changed = client.changes();
        let end = how_it_ends(client);
        tokio::pin!(end);
        let mut seen = changed.borrow_and_update().tools;
        loop {
            tokio::select! {
                how = &mut end => return how,
                () = tokio::time::sleep(self.look_again) => {}
                Ok(()) = changed.changed() => {
                    let tools = changed.borrow_and_update().tools;
                    if tools == seen {
                        continue;
                    }
                    tokio::time::sleep(SETTLE).await;
                    seen = changed.borrow_and_update().tools;
                }
            }
            match read(&self.server, client).await {
                Ok(reading) => {
                    self.compare(&reading);
                }
                Err(error) => self.note(
                    LogLevel::Warn,
                    format!("its tools were not read again: {error}"),
                ),
            }
        }
    }

    /// Holds tools against those that were registered; tells whether they are the same.
    fn compare(&self, reading: &ToolReading) -> bool {
        if descriptors(reading) == self.approved {
            return true;
        }
        report(&self.supervision, &reading.kept_out);
        self.supervision.redefined(tools(reading, &self.link));
        false
    }

    /// Starts the server again, later each time, until it ended too often.
    async fn come_back(&self, reason: &str, ends: &mut Vec<Instant>) -> Option<McpClient> {
        let mut reason = reason.to_owned();
        loop {
            if ends.len() > ENDS {
                let why = format!(
                    "{reason}; it ended {} times within {} s",
                    ends.len(),
                    WINDOW.as_secs()
                );
                self.supervision.down(&Failure::new(why));
                return None;
            }
            let doublings = u32::try_from(ends.len().saturating_sub(1)).unwrap_or(u32::MAX);
            let wait = FIRST_WAIT
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(LONGEST_WAIT);
            self.supervision
                .down(&Failure::new(reason).with_retry_after(wait));
            tokio::time::sleep(wait).await;
            match self.open().await {
                Ok((client, reading)) => {
                    self.link.set(Some(client.clone()));
                    if self.compare(&reading) {
                        self.supervision.up();
                    }
                    return Some(client);
                }
                Err(error) => {
                    ends.push(Instant::now());
                    reason = error.to_string();
                }
            }
        }
    }

    async fn open(&self) -> Result<(McpClient, ToolReading), McpError> {
        let client = self.connection.clone().open().await?;
        let reading = read(&self.server, &client).await?;
        Ok((client, reading))
    }

    fn note(&self, level: LogLevel, message: String) {
        self.supervision.notice(level, message);
    }
}
