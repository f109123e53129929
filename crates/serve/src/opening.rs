//! From two inherited descriptors to an open channel.

use std::env;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameDecoder;
use keyway_channel::handshake::{
    HandshakeError, Nonce, PluginHello, PluginIdentity, Secret, Step, Verified,
};
use keyway_plugin_api::{Manifest, plugin_api_version};
use rustix::fs::FileType;
use zeroize::Zeroizing;

use crate::error::ServeError;
use crate::inherited;

/// Says where the channel is, for example `fd:3`.
pub(crate) const CHANNEL: &str = "KEYWAY_CHANNEL";

/// Says where the secret is, for example `4`.
const SECRET_FD: &str = "KEYWAY_SECRET_FD";

/// How long the plugin waits for each line of the host: the longest that a host may take.
const STEP: Duration = Duration::from_secs(60);

/// An open channel.
pub(crate) struct Opened {
    pub(crate) stream: UnixStream,
    pub(crate) decoder: FrameDecoder,
    /// What came after the host's last line of the handshake.
    pub(crate) rest: Vec<u8>,
    pub(crate) verified: Verified,
}

/// Takes the channel and the secret and shakes hands.
pub(crate) fn open(manifest: &Manifest) -> Result<Opened, ServeError> {
    let channel = number(CHANNEL, "fd:")?;
    let secret_fd = number(SECRET_FD, "")?;
    let channel = take(CHANNEL, channel, FileType::Socket)?;
    let secret = take(SECRET_FD, secret_fd, FileType::Fifo)?;
    let secret = read_secret(File::from(secret))?;
    let wire = Wire::new(UnixStream::from(channel))?;
    wire.shake_hands(secret, identity(manifest))
}

fn number(variable: &'static str, prefix: &str) -> Result<RawFd, ServeError> {
    let value = env::var(variable).unwrap_or_default();
    let number = value.strip_prefix(prefix).and_then(|n| n.parse().ok());
    number.ok_or_else(|| ServeError::Channel {
        variable,
        problem: format!("`{}` is not `{prefix}` and a number", value.escape_debug()),
    })
}

fn take(
    variable: &'static str,
    number: RawFd,
    kind: FileType,
) -> Result<std::os::fd::OwnedFd, ServeError> {
    inherited::take(number, kind).map_err(|problem| ServeError::Channel { variable, problem })
}

/// Reads the secret to its end and closes the pipe. The buffer is wiped.
fn read_secret(pipe: File) -> Result<Secret, ServeError> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(2 * Secret::LEN));
    pipe.take(Secret::LEN as u64 + 1)
        .read_to_end(&mut buffer)
        .map_err(ServeError::io("the secret cannot be read"))?;
    Secret::take(&mut buffer).ok_or_else(|| ServeError::Channel {
        variable: SECRET_FD,
        problem: "it does not hold 32 bytes".to_owned(),
    })
}

fn identity(manifest: &Manifest) -> PluginIdentity {
    let who = (manifest.name().clone(), manifest.version().clone());
    let accepted = manifest.api().cloned().unwrap_or_default();
    let sdk = concat!("keyway-serve/", env!("CARGO_PKG_VERSION"), " rust");
    PluginIdentity::new(who, (accepted, plugin_api_version()), sdk)
}

/// The channel while lines are read one by one.
struct Wire {
    stream: UnixStream,
    decoder: FrameDecoder,
    rest: Vec<u8>,
}

impl Wire {
    fn new(stream: UnixStream) -> Result<Self, ServeError> {
        stream
            .set_read_timeout(Some(STEP))
            .map_err(ServeError::io("the channel cannot be set up"))?;
        Ok(Self {
            stream,
            decoder: FrameDecoder::new(ChannelLimits::default()),
            rest: Vec::new(),
        })
    }

    fn shake_hands(
        mut self,
        secret: Secret,
        identity: PluginIdentity,
    ) -> Result<Opened, ServeError> {
        let nonce = Nonce::draw().map_err(ServeError::io("no random numbers"))?;
        let waiting = PluginHello::begin(secret, identity, nonce);
        let hello = self.line(Step::Hello)?;
        let welcome = match waiting.hello(&hello) {
            Ok(welcome) => welcome,
            Err(refused) => {
                // The host learns why; whether it still listens changes nothing here.
                let told = refused.line.map(|line| self.send(&[&line]));
                return Err(told.and_then(Result::err).unwrap_or(refused.error.into()));
            }
        };
        self.send(&[&welcome.answer, &welcome.prove])?;
        let ready = self.line(Step::Ready)?;
        let verified = welcome.next.ready(&ready)?;
        self.stream
            .set_read_timeout(None)
            .map_err(ServeError::io("the channel cannot be set up"))?;
        Ok(Opened {
            decoder: FrameDecoder::new(verified.offer().limits),
            stream: self.stream,
            rest: self.rest,
            verified,
        })
    }

    fn send(&mut self, lines: &[&str]) -> Result<(), ServeError> {
        let text: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        self.stream
            .write_all(text.as_bytes())
            .map_err(ServeError::io("the channel cannot be written"))
    }

    /// Reads the next line; what comes behind it stays in `rest`.
    fn line(&mut self, step: Step) -> Result<String, ServeError> {
        loop {
            let mut input = self.rest.as_slice();
            let line = self.decoder.next_line(&mut input);
            let line = line.map_err(keyway_channel::message::ProtocolError::from)?;
            let line = line.map(str::to_owned);
            let taken = self.rest.len() - input.len();
            self.rest.drain(..taken);
            if let Some(line) = line {
                return Ok(line);
            }
            let mut buffer = [0; 8 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ServeError::Closed),
                Ok(read) => self.rest.extend_from_slice(&buffer[..read]),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    let limit_ms = u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX);
                    return Err(HandshakeError::timed_out(step, limit_ms).into());
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ServeError::io("the channel cannot be read")(e)),
            }
        }
    }
}
