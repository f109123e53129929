//! The four lines that open a channel, then `register` and `start`.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use keyway_channel::ChannelLimits;
use keyway_channel::frame::{FrameDecoder, FrameError};
use keyway_channel::handshake::{
    ContentDigest, HandshakeError, HostHello, Nonce, Offer, OfferedPlugin, Secret, Step,
};
use keyway_channel::message::{HostRequest, Registration};
use keyway_host::digest::Digest;
use keyway_plugin_api::plugin_api_version;
use serde_json::value::to_raw_value;
use tokio::io;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use super::link::Link;
use super::spawn::{Order, Spawned};
use super::traffic::{self, Reader};
use super::{Child, Process, StageError, stage};
use crate::ProcessError;
use crate::runtime::Registered;

/// The number of the hello; requests come after it.
const HELLO_ID: u64 = 1;

/// Why a handshake ended.
enum Shaken {
    /// The stream ended; the process knows more.
    Gone,
    Host(&'static str, io::Error),
    Wrong(HandshakeError),
}

impl From<HandshakeError> for Shaken {
    fn from(error: HandshakeError) -> Self {
        Self::Wrong(error)
    }
}

impl Spawned {
    /// Opens the channel, and lets the plugin register and start. `began` is when the spawn began.
    pub(crate) async fn shake(
        self,
        order: &Arc<Order>,
        began: Instant,
    ) -> Result<Child, ProcessError> {
        let Self {
            mut process,
            stream,
            secret,
            secret_pipe,
            artifact,
        } = self;
        if artifact.is_script() {
            let limits = order.launch.limits;
            let check = tokio::task::spawn_blocking(move || artifact.check_again(&limits));
            if let Ok(Err(error)) = check.await {
                process.kill().await;
                return Err(error.into());
            }
        }
        let deadline = Deadline {
            at: began + order.handshake(),
            limit: order.handshake(),
        };
        let mut talk = Talk::new(&stream, channel_limits(order), deadline);
        match talk.open(order, secret, secret_pipe).await {
            Ok(()) => {}
            Err(shaken) => return Err(explain(&mut process, shaken, order).await),
        }
        let (decoder, rest) = (talk.decoder, talk.rest);
        let (receiving, sending) = stream.into_split();
        let link = Link::new(sending, channel_limits(order), HELLO_ID);
        let background = order.launch.background.clone();
        let reader = Reader::new((Arc::clone(&link), receiving), decoder, background);
        let tasks = vec![
            tokio::spawn(reader.run(rest)).abort_handle(),
            tokio::spawn(traffic::write(Arc::clone(&link))).abort_handle(),
        ];
        let mut child = Child {
            process,
            link,
            tasks,
            registered: Arc::default(),
        };
        match prepare(&child.link, order).await {
            Ok(registered) => child.registered = registered,
            Err(error) => return Err(child.explain(error, order).await),
        }
        Ok(child)
    }
}

impl Child {
    /// Says why a stage failed; a channel that ended is explained by the process.
    async fn explain(mut self, error: StageError, order: &Order) -> ProcessError {
        let error = match error {
            StageError::Known(error) => error,
            StageError::Gone => {
                let ending = self.link.ending();
                match ending.as_deref().map(|closed| &closed.how) {
                    Some(super::Ending::Violation { code, problem }) => ProcessError::Violation {
                        code,
                        problem: problem.clone(),
                    },
                    _ => gone(&mut self.process, order).await,
                }
            }
        };
        self.process.kill().await;
        error
    }
}

async fn prepare(link: &Link, order: &Order) -> Result<Arc<Registered>, StageError> {
    let limit = order.launch.limits.start;
    let raw = |value| to_raw_value(value).map_err(|e| unwritable(&e));
    let register = HostRequest::Register {
        manifest: raw(order.launch.manifest.source())?,
        settings: raw(&order.launch.settings)?,
    };
    let result = stage(link, register, ("register", limit)).await?;
    let registration = Registration::from_result(&result).map_err(ProcessError::Protocol)?;
    let registered = crate::runtime::accept(order, registration)?;
    stage(link, HostRequest::Start, ("start", limit)).await?;
    Ok(registered)
}

fn unwritable(error: &serde_json::Error) -> ProcessError {
    ProcessError::Host {
        what: "writing the manifest",
        source: io::Error::other(error.to_string()),
    }
}

async fn explain(process: &mut Process, shaken: Shaken, order: &Order) -> ProcessError {
    let error = match shaken {
        Shaken::Gone => gone(process, order).await,
        Shaken::Host(what, source) => ProcessError::Host { what, source },
        Shaken::Wrong(error) => ProcessError::Handshake {
            error,
            last_lines: process.last_lines().await,
        },
    };
    process.kill().await;
    error
}

/// Says how a process whose channel ended came to its end.
async fn gone(process: &mut Process, order: &Order) -> ProcessError {
    let grace = Duration::from_millis(order.options.supervision.exit_grace_ms);
    let how = match tokio::time::timeout(grace, process.ended()).await {
        Ok(ended) => ended,
        Err(_) => "closed its channel".to_owned(),
    };
    ProcessError::Exited {
        how,
        last_lines: process.last_lines().await,
    }
}

fn channel_limits(order: &Order) -> ChannelLimits {
    let limits = order.launch.limits;
    let heartbeat = order.options.pulse.idle_ms;
    ChannelLimits::default()
        .with_inflight(
            limits
                .calls_in_flight
                .max(ChannelLimits::default().inflight),
        )
        .with_heartbeat_ms(heartbeat)
}

/// What the host offers this plugin.
fn offer(order: &Order) -> Offer {
    let launch = &order.launch;
    let plugin = OfferedPlugin {
        id: launch.manifest.name().clone(),
        version: launch.manifest.version().clone(),
        digest: ContentDigest::from_bytes(*launch.digest.as_bytes()),
    };
    let content = |digest: Digest| ContentDigest::from_bytes(*digest.as_bytes());
    let offer = Offer::new(plugin, vec![plugin_api_version()])
        .with_generation(launch.supervision.instance())
        .with_grants(content(launch.grants))
        .with_limits(channel_limits(order));
    match launch.tools {
        Some(tools) => offer.with_tools_expected(content(tools)),
        None => offer,
    }
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    limit: Duration,
}

/// The handshake's reading and writing.
struct Talk<'a> {
    stream: &'a UnixStream,
    decoder: FrameDecoder,
    /// Bytes that were read and are not taken in.
    rest: Vec<u8>,
    deadline: Deadline,
}

impl<'a> Talk<'a> {
    fn new(stream: &'a UnixStream, limits: ChannelLimits, deadline: Deadline) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::new(limits),
            rest: Vec::new(),
            deadline,
        }
    }

    async fn open(
        &mut self,
        order: &Order,
        secret: Secret,
        pipe: std::os::fd::OwnedFd,
    ) -> Result<(), Shaken> {
        // 32 bytes fit into an empty pipe, so this does not block.
        let mut pipe = std::fs::File::from(pipe);
        pipe.write_all(secret.expose()).map_err(|_| Shaken::Gone)?;
        drop(pipe);
        let nonce = Nonce::draw().map_err(|e| Shaken::Host("drawing a nonce", e))?;
        let (hello, awaiting) = HostHello::begin(secret, offer(order), nonce)?;
        self.send(&hello, Step::Hello).await?;
        let awaiting = awaiting.answer(&self.line(Step::Answer).await?)?;
        let (ready, _verified) = awaiting.prove(&self.line(Step::Prove).await?)?;
        self.send(&ready, Step::Ready).await
    }

    async fn send(&self, line: &str, step: Step) -> Result<(), Shaken> {
        let bytes = [line.as_bytes(), b"\n"].concat();
        let writing = async {
            let mut left = bytes.as_slice();
            while !left.is_empty() {
                self.stream.writable().await?;
                match self.stream.try_write(left) {
                    Ok(count) => left = left.get(count..).unwrap_or_default(),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        };
        match timeout_at(self.deadline.at, writing).await {
            Ok(written) => written.map_err(|_| Shaken::Gone),
            Err(_) => Err(self.late(step)),
        }
    }

    fn late(&self, step: Step) -> Shaken {
        let limit_ms = u64::try_from(self.deadline.limit.as_millis()).unwrap_or(u64::MAX);
        HandshakeError::timed_out(step, limit_ms).into()
    }

    async fn line(&mut self, step: Step) -> Result<String, Shaken> {
        match timeout_at(self.deadline.at, self.next_line(step)).await {
            Ok(line) => line,
            Err(_) => Err(self.late(step)),
        }
    }

    async fn next_line(&mut self, step: Step) -> Result<String, Shaken> {
        let mut buffer = [0; 4096];
        loop {
            let mut input = self.rest.as_slice();
            let shown = |e: FrameError, rest: &[u8]| not_a_line(step, &e, rest);
            let line = match self.decoder.next_line(&mut input) {
                Ok(line) => line.map(str::to_owned),
                Err(e) => return Err(shown(e, &self.rest)),
            };
            let taken = self.rest.len() - input.len();
            if let Some(line) = line {
                self.rest.drain(..taken);
                return Ok(line);
            }
            self.rest.clear();
            self.stream.readable().await.map_err(|_| Shaken::Gone)?;
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(Shaken::Gone),
                Ok(count) => self.rest.extend_from_slice(&buffer[..count]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Shaken::Gone),
            }
        }
    }
}

fn not_a_line(step: Step, error: &FrameError, bytes: &[u8]) -> Shaken {
    match step {
        Step::Answer => HandshakeError::not_a_plugin(bytes).into(),
        _ => Shaken::Host(
            "reading the handshake",
            io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        ),
    }
}
