//! The sending end of the channel, shared by everything that sends.
//!
//! Answers gather until somebody sends them; a request of the plugin goes at once, with whatever has
//! gathered before it.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameError;
use keyway_channel::message::{
    FromPlugin, HostRequestId, RawAnswer, Refusal, RpcError, encode_output,
};
use keyway_plugin_api::{ToolError, ToolOutput};

/// Bytes that gather at most before they are sent.
const GATHERED: usize = 64 * 1024;

/// Writes whole messages; whoever writes waits until the host takes them.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Sending>);

struct Sending {
    stream: UnixStream,
    limits: ChannelLimits,
    gathered: Mutex<Vec<u8>>,
    /// Whoever holds it sends; an empty buffer between two times.
    turn: Mutex<Vec<u8>>,
}

/// Why a message was not sent.
pub(crate) enum Unsent {
    /// It cannot be a message. The channel goes on.
    Unfit(FrameError),
    /// The channel is gone.
    Gone,
}

impl Writer {
    pub(crate) fn new(stream: UnixStream, limits: ChannelLimits) -> Self {
        Self(Arc::new(Sending {
            stream,
            limits,
            gathered: Mutex::default(),
            turn: Mutex::default(),
        }))
    }

    /// Sends one message now.
    pub(crate) fn send(&self, message: &FromPlugin) -> Result<(), Unsent> {
        let sending = &*self.0;
        message
            .encode(sending.limits, &mut lock(&sending.gathered))
            .map_err(Unsent::Unfit)?;
        self.flush().map_err(|_| Unsent::Gone)
    }

    /// Answers a request of the host; the answer goes with the next [`Writer::flush`].
    pub(crate) fn answer(&self, id: HostRequestId, answer: RawAnswer) {
        let message = FromPlugin::Answer { id, answer };
        self.gather(id, |limits, out| message.encode(limits, out));
    }

    /// Answers a call, in the same way.
    pub(crate) fn output(&self, id: HostRequestId, outcome: Result<&ToolOutput, &ToolError>) {
        self.gather(id, |limits, out| encode_output(id, outcome, limits, out));
    }

    /// Puts an answer to the others. One that cannot be sent becomes an error that can.
    fn gather(
        &self,
        id: HostRequestId,
        encode: impl FnOnce(ChannelLimits, &mut Vec<u8>) -> Result<(), FrameError>,
    ) {
        let sending = &*self.0;
        let mut gathered = lock(&sending.gathered);
        if let Err(error) = encode(sending.limits, &mut gathered) {
            let refusal = RpcError::refused(Refusal::FrameTooLarge, error.to_string());
            let answer = Err(refusal);
            drop(FromPlugin::Answer { id, answer }.encode(sending.limits, &mut gathered));
        }
        let is_enough = gathered.len() >= GATHERED;
        drop(gathered);
        if is_enough {
            // The reader notices a channel that is gone.
            drop(self.flush());
        }
    }

    /// Tells whether something waits to be sent.
    pub(crate) fn has_gathered(&self) -> bool {
        !lock(&self.0.gathered).is_empty()
    }

    /// Sends what has gathered, in the order in which it came.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let sending = &*self.0;
        let mut bytes = lock(&sending.turn);
        std::mem::swap(&mut *bytes, &mut *lock(&sending.gathered));
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = (&sending.stream).write_all(&bytes);
        bytes.clear();
        bytes.shrink_to(GATHERED);
        sent
    }
}

fn lock(buffer: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}
