//! The sending end of the channel, shared by everything that sends.

use std::sync::Arc;

use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameError;
use keyway_channel::message::{FromPlugin, HostRequestId, RawAnswer, Refusal, RpcError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Mutex;

/// Writes whole messages; whoever writes waits until the host takes them.
#[derive(Clone)]
pub(crate) struct Writer {
    half: Arc<Mutex<OwnedWriteHalf>>,
    limits: ChannelLimits,
}

/// Why a message was not sent.
pub(crate) enum Unsent {
    /// It cannot be a message. The channel goes on.
    Unfit(FrameError),
    /// The channel is gone.
    Gone,
}

impl Writer {
    pub(crate) fn new(half: OwnedWriteHalf, limits: ChannelLimits) -> Self {
        let half = Arc::new(Mutex::new(half));
        Self { half, limits }
    }

    /// Sends one message.
    ///
    /// # Cancel safety
    /// None: a message that is cut off would spoil the channel, so only tasks that run to their
    /// end call this.
    pub(crate) async fn send(&self, message: &FromPlugin) -> Result<(), Unsent> {
        let mut line = Vec::with_capacity(256);
        message
            .encode(self.limits, &mut line)
            .map_err(Unsent::Unfit)?;
        let mut half = self.half.lock().await;
        half.write_all(&line).await.map_err(|_| Unsent::Gone)
    }

    /// Answers a request of the host. An answer that cannot be sent becomes an error that can.
    pub(crate) async fn answer(&self, id: HostRequestId, answer: RawAnswer) {
        let sent = self.send(&FromPlugin::Answer { id, answer }).await;
        let Err(Unsent::Unfit(error)) = sent else {
            // The reader notices a channel that is gone.
            return;
        };
        let refusal = RpcError::refused(Refusal::FrameTooLarge, error.to_string());
        let answer = Err(refusal);
        drop(self.send(&FromPlugin::Answer { id, answer }).await);
    }
}
