//! The host's end of a channel: sends lines, reads lines, and serves what the plugin asks for from
//! memory.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameDecoder;
use keyway_channel::handshake::{
    AwaitingAnswer, ContentDigest, HostHello, Nonce, Offer, OfferedPlugin, Secret,
};
use keyway_channel::message::{FromHost, FromPlugin, PluginRequestId, RawAnswer, ReplyShape};
use keyway_plugin_api::{
    EffectReply, EffectRequest, FileStat, HttpResponse, LogLevel, Manifest, SecretValue, ToolError,
    ToolErrorKind, plugin_api_version,
};

/// How long the plugin may take for anything; generous, because machines are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One end of a channel.
#[derive(Debug)]
pub(crate) struct HostEnd {
    stream: UnixStream,
    decoder: FrameDecoder,
    limits: ChannelLimits,
    lines: VecDeque<String>,
    next_id: u64,
    /// What the plugin keeps and reads.
    pub(crate) world: World,
}

/// Everything that a plugin can ask this host for.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) state: BTreeMap<String, Vec<u8>>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) log: Vec<(LogLevel, String)>,
    pub(crate) progress: Vec<(u64, Option<u64>)>,
    /// Effects that were asked for, with their calls.
    pub(crate) asked: Vec<(Option<u64>, EffectRequest)>,
}

/// Makes the offer of a host that starts this very plugin.
pub(crate) fn offer(manifest: &Manifest) -> Offer {
    let plugin = OfferedPlugin {
        id: manifest.name().clone(),
        version: manifest.version().clone(),
        digest: ContentDigest::from_bytes([0xab; 32]),
    };
    Offer::new(plugin, vec![plugin_api_version()])
}

impl HostEnd {
    pub(crate) fn new(stream: UnixStream, limits: ChannelLimits) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            decoder: FrameDecoder::new(ChannelLimits::default()),
            limits,
            lines: VecDeque::new(),
            next_id: 2,
            world: World::default(),
        })
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn send_line(&mut self, line: &str) -> io::Result<()> {
        self.send_bytes(format!("{line}\n").as_bytes())
    }

    pub(crate) fn send(&mut self, message: &FromHost) -> io::Result<()> {
        let mut line = Vec::new();
        let encoded = message.encode(self.limits, &mut line);
        encoded.map_err(io::Error::other)?;
        self.send_bytes(&line)
    }

    /// Returns the number for the next request.
    pub(crate) fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Reads the next line as it is; `None` at the end of the channel.
    pub(crate) fn line(&mut self) -> io::Result<Option<String>> {
        let mut buffer = [0; 64 * 1024];
        while self.lines.is_empty() {
            let read = match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(read) => read,
                // A read with a time limit is not resumed after a signal.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::other("the plugin said nothing for too long"));
                }
                Err(e) => return Err(e),
            };
            let mut input = &buffer[..read];
            while let Some(line) = self
                .decoder
                .next_line(&mut input)
                .map_err(io::Error::other)?
            {
                self.lines.push_back(line.to_owned());
            }
        }
        Ok(self.lines.pop_front())
    }

    pub(crate) fn must_line(&mut self) -> io::Result<String> {
        let line = self.line()?;
        line.ok_or_else(|| io::Error::other("the plugin closed the channel"))
    }

    /// Shakes hands as an honest host does.
    pub(crate) fn shake_hands(&mut self, secret: Secret, offer: Offer) -> io::Result<()> {
        let (ready, _) = self.up_to_ready(secret, offer)?;
        self.send_line(&ready)
    }

    /// Shakes hands and returns the last line instead of sending it.
    pub(crate) fn up_to_ready(
        &mut self,
        secret: Secret,
        offer: Offer,
    ) -> io::Result<(String, keyway_channel::handshake::Verified)> {
        let (hello, waiting) =
            HostHello::begin(secret, offer, Nonce::draw()?).map_err(io::Error::other)?;
        self.send_line(&hello)?;
        self.prove(waiting)
    }

    fn prove(
        &mut self,
        waiting: AwaitingAnswer,
    ) -> io::Result<(String, keyway_channel::handshake::Verified)> {
        let answer = self.must_line()?;
        let proof = waiting.answer(&answer).map_err(io::Error::other)?;
        let prove = self.must_line()?;
        proof.prove(&prove).map_err(io::Error::other)
    }

    /// Reads on, serving effects, until the answer to a request comes.
    pub(crate) fn answer_to(&mut self, number: u64) -> io::Result<RawAnswer> {
        loop {
            let line = self.must_line()?;
            if let Some((found, answer)) = self.take(&line)? {
                match found == number {
                    true => return Ok(answer),
                    false => {
                        let problem = format!("it answered {found}, not {number}: {line}");
                        return Err(io::Error::other(problem));
                    }
                }
            }
        }
    }

    /// Takes one line; an answer is returned, an effect is served.
    pub(crate) fn take(&mut self, line: &str) -> io::Result<Option<(u64, RawAnswer)>> {
        match FromPlugin::parse(line).map_err(io::Error::other)? {
            FromPlugin::Answer { id, answer } => return Ok(Some((id.0, answer))),
            FromPlugin::Notice { call, effect } => {
                self.world.asked.push((call, effect.clone()));
                drop(self.world.perform(effect));
            }
            FromPlugin::Request { id, call, effect } => {
                self.world.asked.push((call, effect.clone()));
                self.reply(id, effect)?;
            }
            FromPlugin::Refused { id, error } => {
                let answer = Err(error);
                self.send(&FromHost::Answer { id, answer })?;
            }
            FromPlugin::Ignored { .. } => {}
            other => return Err(io::Error::other(format!("unexpected {other:?}"))),
        }
        Ok(None)
    }

    fn reply(&mut self, id: PluginRequestId, effect: EffectRequest) -> io::Result<()> {
        let shape = ReplyShape::of(&effect);
        let answer = shape.write(self.world.perform(effect).as_ref());
        self.send(&FromHost::Answer { id, answer })
    }

    /// Ends the channel.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Both)
    }
}

impl World {
    fn perform(&mut self, effect: EffectRequest) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        match effect {
            R::Log { level, message } => self.log.push((level, message)),
            R::Progress { done, total, .. } => self.progress.push((done, total)),
            R::StateGet { key } => {
                return Ok(EffectReply::Bytes(self.state.get(&key).cloned()));
            }
            R::StatePut { key, value } => drop(self.state.insert(key, value)),
            R::StateDelete { key } => drop(self.state.remove(&key)),
            R::StateList { prefix } => {
                let keys = self.state.keys().filter(|key| key.starts_with(&prefix));
                return Ok(EffectReply::Names(keys.cloned().collect()));
            }
            R::StateCas {
                key,
                expected,
                value,
            } => {
                let swaps = self.state.get(&key) == expected.as_ref();
                if swaps {
                    self.state.insert(key, value);
                }
                return Ok(EffectReply::Swapped(swaps));
            }
            R::SecretRead { .. } => return Ok(EffectReply::Secret(SecretValue::new("s3cret"))),
            R::CallTool { arguments, .. } => return Ok(EffectReply::Output(arguments)),
            R::HttpFetch { .. } => {
                return Ok(EffectReply::Http(HttpResponse {
                    status: 200,
                    headers: vec![("content-type".into(), "text/plain".into())],
                    body: b"hello".to_vec(),
                }));
            }
            other => return self.file(other),
        }
        Ok(EffectReply::Done)
    }

    fn file(&mut self, effect: EffectRequest) -> Result<EffectReply, ToolError> {
        use EffectRequest as R;
        let absent = || ToolError::new(ToolErrorKind::NotFound, "there is no such file");
        match effect {
            R::FsList { .. } => Ok(EffectReply::Names(self.files.keys().cloned().collect())),
            R::FsRead { path } => {
                let bytes = self.files.get(&path).cloned().ok_or_else(absent)?;
                Ok(EffectReply::Bytes(Some(bytes)))
            }
            R::FsWrite { path, bytes } => {
                self.files.insert(path, bytes);
                Ok(EffectReply::Done)
            }
            R::FsRemove { path } => {
                self.files.remove(&path).ok_or_else(absent)?;
                Ok(EffectReply::Done)
            }
            R::FsStat { path } => {
                let bytes = self.files.get(&path).ok_or_else(absent)?.len() as u64;
                Ok(EffectReply::Stat(FileStat {
                    is_directory: false,
                    bytes,
                }))
            }
            _ => Err(ToolError::internal("this host has no such effect")),
        }
    }
}
