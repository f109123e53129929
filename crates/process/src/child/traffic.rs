//! The two tasks of a channel: one reads, one writes.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use keyway_channel::frame::FrameDecoder;
use keyway_channel::message::{
    FromHost, FromPlugin, PluginRequestId, Refusal, ReplyShape, RpcError,
};
use keyway_plugin_api::{CallCx, EffectRequest, ToolError, ToolErrorKind};
use tokio::io::{self, AsyncRead as _, ReadBuf};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::asking::Answer;
use super::link::{Asked, Ending, Link};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// Log lines and progress that wait for the host; more are dropped.
const NOTICES: usize = 256;
/// Requests, log lines and reports of progress that are looked at in each second; a plugin that says
/// more is read more slowly, and nobody else is.
const WISHES_A_SECOND: u32 = 10_000;

/// Writes what gathers, until the channel is closed.
pub(super) async fn write(link: Arc<Link>) {
    let mut spent = Vec::new();
    loop {
        let Some(bytes) = link.take_out(spent) else {
            if link.is_closed() {
                return;
            }
            link.wake.notified().await;
            spent = Vec::new();
            continue;
        };
        if write_all(&link, &bytes).await.is_err() {
            // The reader sees why.
            return;
        }
        spent = bytes;
    }
}

async fn write_all(link: &Link, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        tokio::select! {
            ready = link.sending.writable() => ready?,
            _ = link.ended() => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        match link.sending.try_write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads what has come. A read that does not fill the buffer has emptied the socket, and is not
/// followed by one that finds nothing.
async fn receive(from: &mut OwnedReadHalf, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut *from).poll_read(cx, buffer)).await
}

/// Reads until the channel ends, and closes it with the reason.
pub(super) struct Reader {
    pub(super) link: Arc<Link>,
    receiving: OwnedReadHalf,
    pub(super) decoder: FrameDecoder,
    /// Where requests outside calls go.
    pub(super) background: CallCx,
    /// Requests of the plugin that are being carried out; they end with the reader.
    effects: JoinSet<()>,
    notices: mpsc::Sender<(CallCx, EffectRequest)>,
    flood: Flood,
}

/// Counts what the plugin wanted in the running second.
struct Flood {
    began: Instant,
    count: u32,
}

impl Reader {
    pub(super) fn new(
        (link, receiving): (Arc<Link>, OwnedReadHalf),
        decoder: FrameDecoder,
        background: CallCx,
    ) -> Self {
        let (notices, taken) = mpsc::channel(NOTICES);
        let mut effects = JoinSet::new();
        effects.spawn(tell(taken));
        Self {
            link,
            receiving,
            decoder,
            background,
            effects,
            notices,
            flood: Flood {
                began: Instant::now(),
                count: 0,
            },
        }
    }

    /// Runs the reader; `rest` are bytes that came behind the handshake.
    pub(super) async fn run(mut self, rest: Vec<u8>) {
        let how = match self.take(&rest).await {
            Ok(()) => self.read().await,
            Err(ending) => ending,
        };
        self.link.close(how);
    }

    async fn read(&mut self) -> Ending {
        let link = Arc::clone(&self.link);
        let mut closed = pin!(link.ended());
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            tokio::select! {
                biased;
                _ = &mut closed => return Ending::Host,
                read = receive(&mut self.receiving, &mut buffer) => {
                    if read.is_err() {
                        return Ending::Peer;
                    }
                }
            }
            if buffer.filled().is_empty() {
                let end = self.decoder.finish();
                return end.map_or_else(cut_short, |()| Ending::Peer);
            }
            link.heard();
            if let Err(ending) = self.take(buffer.filled()).await {
                return ending;
            }
        }
    }

    /// Takes bytes in.
    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        loop {
            let line = self.decoder.next_line(&mut bytes).map_err(violation)?;
            let Some(line) = line else {
                return Ok(());
            };
            match FromPlugin::plain_output(line) {
                Some((id, output)) => self.link.answered(id.0, Answer::Output(output))?,
                None => {
                    let message = FromPlugin::parse(line)?;
                    self.handle(message).await?;
                }
            }
        }
    }

    async fn handle(&mut self, message: FromPlugin) -> Result<(), Ending> {
        match message {
            FromPlugin::Answer { id, answer } => self.link.answered(id.0, Answer::Raw(answer))?,
            FromPlugin::Notice { call, effect } => {
                self.slow_down().await;
                // Late words of a call that has ended have nobody to go to.
                if let Some(cx) = self.context(call) {
                    drop(self.notices.try_send((cx, effect)));
                }
            }
            FromPlugin::Refused { id, error } => {
                self.slow_down().await;
                self.link.asked(id.0)?;
                self.reply(id, Err(error));
            }
            FromPlugin::Request { id, call, effect } => {
                self.slow_down().await;
                self.perform(id, call, effect)?;
            }
            _ => self.slow_down().await,
        }
        Ok(())
    }

    /// The context of a live call, or of none.
    fn context(&self, call: Option<u64>) -> Option<CallCx> {
        match call {
            Some(call) => self.link.live(call),
            None => Some(self.background.clone()),
        }
    }

    /// Carries out a request in a task of its own: the gate decides there.
    fn perform(
        &mut self,
        id: PluginRequestId,
        call: Option<u64>,
        effect: EffectRequest,
    ) -> Result<(), Ending> {
        while self.effects.try_join_next().is_some() {}
        if self.link.asked(id.0)? == Asked::Overloaded {
            let limit = self.link.limits.inflight;
            let text = format!("{limit} requests are under way already; wait for an answer");
            self.reply(id, Err(RpcError::refused(Refusal::Overloaded, text)));
            return Ok(());
        }
        let Some(cx) = self.context(call) else {
            self.reply(id, Err(RpcError::tool(&call_ended(call))));
            return Ok(());
        };
        let link = Arc::clone(&self.link);
        self.effects.spawn(async move {
            let shape = ReplyShape::of(&effect);
            // A call that ends takes its requests along.
            let outcome = tokio::select! {
                outcome = cx.perform(effect) => outcome,
                () = cx.cancelled() => Err(call_ended(call)),
            };
            let answer = shape.write(outcome.as_ref());
            link.answer(FromHost::Answer { id, answer }, id.0).await;
        });
        Ok(())
    }

    fn reply(&mut self, id: PluginRequestId, answer: keyway_channel::message::RawAnswer) {
        let link = Arc::clone(&self.link);
        self.effects.spawn(async move {
            link.answer(FromHost::Answer { id, answer }, id.0).await;
        });
    }

    async fn slow_down(&mut self) {
        let second = Duration::from_secs(1);
        self.flood.count += 1;
        if self.flood.count > WISHES_A_SECOND {
            tokio::time::sleep_until(self.flood.began + second).await;
        }
        if self.flood.began.elapsed() >= second {
            self.flood = Flood {
                began: Instant::now(),
                count: 0,
            };
        }
    }
}

/// Hands log lines and progress to the host in the order in which they were said.
async fn tell(mut notices: mpsc::Receiver<(CallCx, EffectRequest)>) {
    while let Some((cx, effect)) = notices.recv().await {
        // The gate records a refusal; a notice has no answer.
        drop(cx.perform(effect).await);
    }
}

fn call_ended(call: Option<u64>) -> ToolError {
    let call = call.map_or_else(|| "the".to_owned(), |call| format!("{call}: that"));
    ToolError::new(
        ToolErrorKind::Cancelled,
        format!("call_ended: {call} call is not under way; a request belongs to a live call"),
    )
}

fn violation(error: keyway_channel::frame::FrameError) -> Ending {
    keyway_channel::message::ProtocolError::from(error).into()
}

/// The stream ended inside a message: that is how a process dies, and no lie.
fn cut_short(_: keyway_channel::frame::FrameError) -> Ending {
    Ending::Peer
}
