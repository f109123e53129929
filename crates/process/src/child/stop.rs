//! The end of a process in good order, each step with its bound.

use std::time::Duration;

use keyway_channel::message::HostRequest;
use tokio::time::timeout;

use super::{Child, Ending};
use crate::options::StopTimes;

impl Child {
    /// Lets the plugin finish and exit; then asks its processes to end, then ends them. Returns
    /// how it ended. All of it is over within the sum of the times and a moment.
    pub(crate) async fn stop(mut self, times: StopTimes) -> String {
        self.say(HostRequest::Drain, times.drain).await;
        self.say(HostRequest::Shutdown, times.shutdown).await;
        // The plugin's own end of the process comes after its answer.
        if let Ok(ended) = timeout(times.terminate, self.process.ended()).await {
            return ended;
        }
        self.link.close(Ending::Host);
        if let Err(error) = self.process.confined.terminate() {
            tracing::debug!("a plugin's process could not be asked to end: {error}");
        }
        match timeout(times.terminate, self.process.ended()).await {
            Ok(ended) => ended,
            Err(_) => self.process.kill().await,
        }
    }

    /// Ends all processes now.
    pub(crate) async fn kill(mut self) -> String {
        self.process.kill().await
    }

    /// Ends all processes without waiting; their end is a sign.
    pub(crate) fn kill_now(&mut self) {
        if let Err(error) = self.process.confined.kill() {
            tracing::error!("a plugin's process could not be killed: {error}");
        }
    }

    async fn say(&self, request: HostRequest, limit: Duration) {
        if let Ok(answer) = self.link.control(&request) {
            // Whatever it answers, the next step comes.
            drop(timeout(limit, answer).await);
        }
    }
}
