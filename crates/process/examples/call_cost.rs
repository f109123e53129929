//! Counts what one call costs a plugin's process in instructions, with callgrind (valgrind).
//!
//! `cargo run --release -p keyway-process --example call_cost`
//!
//! Instructions do not depend on what else the machine does, so two versions can be compared. They
//! say nothing of what waits on memory, and they leave out the kernel and the host, which starts nothing
//! under valgrind; the bench `process` does not.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program owns its terminal"
)]

#[path = "../benches/repeater/mod.rs"]
mod repeater;

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};

use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameDecoder;
use keyway_channel::handshake::{ContentDigest, HostHello, Nonce, Offer, OfferedPlugin, Secret};
use keyway_channel::message::{FromHost, FromPlugin, HostRequest, HostRequestId, ToolCall};
use keyway_plugin_api::{Manifest, plugin_api_version};
use serde_json::value::RawValue;

use repeater::{MANIFEST, Repeater, arguments};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CALLS: usize = 2560;
/// Calls at a time.
const TOGETHER: [usize; 2] = [1, 256];

fn main() -> ExitCode {
    if std::env::var_os("KEYWAY_CHANNEL").is_some() {
        return keyway_serve::run(Repeater);
    }
    match count_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("call_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The difference between many calls and twice as many is free of the start.
fn count_all() -> Result<()> {
    for together in TOGETHER {
        let each = (counted(together, 2 * CALLS)? - counted(together, CALLS)?) / CALLS;
        println!("{together:3} at a time  {each:6} instructions a call");
    }
    Ok(())
}

/// Where callgrind writes what it saw last.
fn profile() -> String {
    std::env::var("KEYWAY_PROFILE").unwrap_or_else(|_| "/dev/null".to_owned())
}

fn collected(said: &str) -> Result<usize> {
    let line = said
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, number) = line.ok_or_else(|| format!("valgrind says: {said}"))?;
    Ok(number.trim().parse()?)
}

/// Makes so many calls, so many of them at a time.
fn counted(together: usize, calls: usize) -> Result<usize> {
    let mut end = PluginEnd::start()?;
    let manifest: Box<RawValue> = serde_json::from_str(MANIFEST)?;
    let settings = RawValue::from_string("{}".to_owned())?;
    end.ask(vec![HostRequest::Register { manifest, settings }])?;
    end.ask(vec![HostRequest::Start])?;
    for round in 0..calls / together {
        let call = |at: usize| {
            Ok(HostRequest::CallTool(ToolCall {
                name: "echo".into(),
                arguments: RawValue::from_string(arguments())?,
                call: (round * together + at) as u64,
                deadline_ms: 1_800_000_000_000,
                caller: "acme/team/agent".into(),
            }))
        };
        end.ask((0..together).map(call).collect::<Result<_>>()?)?;
    }
    end.ask(vec![HostRequest::Shutdown])?;
    drop(end.stream);
    let output = end.child.wait_with_output()?;
    collected(&String::from_utf8_lossy(&output.stderr))
}

/// A plugin under valgrind, and the host's end of its channel.
struct PluginEnd {
    child: Child,
    stream: UnixStream,
    decoder: FrameDecoder,
    last: u64,
}

impl PluginEnd {
    fn start() -> Result<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        let (secret_out, mut secret_in) = std::io::pipe()?;
        let secret = Secret::draw()?;
        secret_in.write_all(secret.expose())?;
        drop(secret_in);
        // A shell can give descriptors any number; the library cannot.
        let script = "exec 3<&0 4<&1 </dev/null >/dev/null; exec \"$@\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh"])
            .args(["valgrind", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", profile()))
            .arg(std::env::current_exe()?)
            .envs([("KEYWAY_CHANNEL", "fd:3"), ("KEYWAY_SECRET_FD", "4")])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(secret_out)))
            .stderr(Stdio::piped())
            .spawn()?;
        let decoder = FrameDecoder::new(ChannelLimits::default());
        let mut end = Self {
            child,
            stream,
            decoder,
            last: 1,
        };
        end.shake_hands(secret)?;
        Ok(end)
    }

    fn shake_hands(&mut self, secret: Secret) -> Result<()> {
        let (manifest, _) = Manifest::parse(MANIFEST.as_bytes())?;
        let plugin = OfferedPlugin {
            id: manifest.name().clone(),
            version: manifest.version().clone(),
            digest: ContentDigest::from_bytes([7; 32]),
        };
        let mut offer = Offer::new(plugin, vec![plugin_api_version()]);
        offer.limits = ChannelLimits::default().with_inflight(256);
        let (hello, waiting) = HostHello::begin(secret, offer, Nonce::draw()?)?;
        self.stream.write_all(format!("{hello}\n").as_bytes())?;
        let lines = self.lines(2)?;
        let (ready, _) = waiting.answer(&lines[0])?.prove(&lines[1])?;
        Ok(self.stream.write_all(format!("{ready}\n").as_bytes())?)
    }

    /// Sends requests in one piece and takes the answer of each.
    fn ask(&mut self, requests: Vec<HostRequest>) -> Result<()> {
        let (count, mut bytes) = (requests.len(), Vec::new());
        for request in requests {
            self.last += 1;
            let id = HostRequestId(self.last);
            FromHost::Request { id, request }.encode(ChannelLimits::default(), &mut bytes)?;
        }
        self.stream.write_all(&bytes)?;
        for line in self.lines(count)? {
            match FromPlugin::parse(&line)? {
                FromPlugin::Answer { answer: Ok(_), .. } => {}
                other => return Err(format!("unexpected {other:?}").into()),
            }
        }
        Ok(())
    }

    fn lines(&mut self, count: usize) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut buffer = [0; 64 * 1024];
        while lines.len() < count {
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Err("the plugin closed the channel".into());
            }
            let mut input = &buffer[..read];
            while let Some(line) = self.decoder.next_line(&mut input)? {
                lines.push(line.to_owned());
            }
        }
        Ok(lines)
    }
}
