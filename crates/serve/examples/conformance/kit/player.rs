//! Plays one check against a fresh start of the plugin.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyway_channel::ChannelLimits;
use keyway_channel::handshake::{HostHello, Nonce, Secret};
use keyway_channel::message::{RawAnswer, Registration};
use keyway_plugin_api::Manifest;
use serde_json::{Value, json};

use super::child::{Launch, Plugin};
use super::host_end::{HostEnd, PATIENCE, offer};
use super::steps::{Check, Step, holds};

/// What one check came to: `Err` says at which step it failed and why.
pub(crate) type Verdict = Result<(), String>;

/// A check under way.
struct Player<'a> {
    manifest: &'a Manifest,
    secret: Option<Secret>,
    plugin: Plugin,
    host: HostEnd,
    latest: u64,
    tools: Vec<String>,
}

/// Plays a check.
pub(crate) fn play(launch: &Launch, manifest: &Manifest, check: &Check) -> Verdict {
    let home = tempdir().map_err(|e| e.to_string())?;
    let mut player = Player::start(launch, manifest, &home).map_err(|e| format!("start: {e}"))?;
    let mut verdict = Ok(());
    for (number, step) in (1..).zip(&check.steps) {
        if let Err(problem) = player.step(step) {
            verdict = Err(format!("step {number}, {step:?}: {problem}"));
            break;
        }
    }
    let (_, said) = player.plugin.finish();
    drop(std::fs::remove_dir_all(&home));
    verdict.map_err(|problem| match said.trim() {
        "" => problem,
        said => format!("{problem}\n      the plugin said: {said}"),
    })
}

/// Makes a folder of its own for each start.
fn tempdir() -> io::Result<std::path::PathBuf> {
    static STARTS: AtomicUsize = AtomicUsize::new(0);
    let start = STARTS.fetch_add(1, Ordering::Relaxed);
    let name = format!("keyway-conformance-{}-{start}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

impl<'a> Player<'a> {
    fn start(launch: &Launch, manifest: &'a Manifest, home: &Path) -> io::Result<Self> {
        let secret = Secret::draw()?;
        let (plugin, stream) = launch.start(&secret, home)?;
        Ok(Self {
            manifest,
            secret: Some(secret),
            plugin,
            host: HostEnd::new(stream, ChannelLimits::default())?,
            latest: 1,
            tools: Vec::new(),
        })
    }

    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Alive => self.alive(),
            Step::Answer {
                result,
                error,
                code,
            } => self.answer(result.as_ref(), *error, code.as_deref()),
            Step::Answered => self.answered(),
            Step::AnswerOf { id } => {
                self.latest = *id;
                self.answer(Some(&json!({})), None, None)
            }
            Step::CallEveryTool => self.call_every_tool(),
            Step::Close => self.host.close(),
            Step::Dribble { message } => {
                let line = format!("{message}\n");
                let mut bytes = line.as_bytes().chunks(1);
                bytes.try_for_each(|byte| self.host.send_bytes(byte))
            }
            Step::Exit { code } => self.exit(*code),
            // The plugin may end before it has read all of it, which is what it should do.
            Step::Flood { bytes } => {
                drop(self.host.send_bytes(&vec![b'x'; *bytes]));
                Ok(())
            }
            Step::Handshake => {
                let (secret, offer) = (self.secret()?, offer(self.manifest));
                self.host.shake_hands(secret, offer)
            }
            Step::Hello { with } => self.hello(with),
            Step::HelloAgain => {
                self.secret = Some(Secret::draw()?);
                self.hello(&Value::Null)
            }
            Step::Line { text } => self.host.send_bytes(&line_of(text)),
            Step::Notify { method, params } => {
                let line = json!({"jsonrpc": "2.0", "method": method, "params": params});
                self.host.send_line(&line.to_string())
            }
            Step::NotReady { line } => {
                self.up_to_ready()?;
                match line {
                    Some(line) => self.host.send_line(&line.to_string()),
                    None => Ok(()),
                }
            }
            Step::WrongMac => {
                let ready = self.up_to_ready()?;
                let mut ready: Value = serde_json::from_str(&ready)?;
                ready["params"]["mac"] = "A".repeat(43).into();
                self.host.send_line(&ready.to_string())
            }
            Step::Refused { code } => self.refused(code),
            Step::Register => self.register(),
            Step::Request { method, params } => self.request(method, params),
            Step::RequestCall => {
                let tool = self.first_tool()?;
                self.request("tools/call", &call_params(&tool, 98))
            }
            Step::StartAndCancel => self.start_and_cancel(),
        }
    }

    fn secret(&mut self) -> io::Result<Secret> {
        let secret = self.secret.take();
        secret.ok_or_else(|| io::Error::other("the secret is used up"))
    }

    fn up_to_ready(&mut self) -> io::Result<String> {
        let (secret, offer) = (self.secret()?, offer(self.manifest));
        self.host.up_to_ready(secret, offer).map(|(ready, _)| ready)
    }

    fn hello(&mut self, with: &Value) -> io::Result<()> {
        let (secret, offer) = (self.secret()?, offer(self.manifest));
        let (hello, _) =
            HostHello::begin(secret, offer, Nonce::draw()?).map_err(io::Error::other)?;
        let mut hello: Value = serde_json::from_str(&hello)?;
        merge(&mut hello["params"], with);
        self.host.send_line(&hello.to_string())
    }

    fn refused(&mut self, code: &str) -> io::Result<()> {
        let line = self.host.must_line()?;
        let answer: Value = serde_json::from_str(&line)?;
        let wanted = json!({"id": 1, "error": {"data": {"code": code}}});
        expect(holds(&answer, &wanted), || {
            format!("{line} is no refusal `{code}`")
        })
    }

    fn answered(&mut self) -> io::Result<()> {
        let line = self.host.must_line()?;
        let answer: Value = serde_json::from_str(&line)?;
        let wanted = json!({"id": 1, "result": {"ipc": 1, "features": [], "auth": "hmac-sha256"}});
        expect(holds(&answer, &wanted), || {
            format!("{line} does not hold {wanted}")
        })?;
        let line = self.host.must_line()?;
        let prove: Value = serde_json::from_str(&line)?;
        let wanted = json!({"method": "keyway/prove"});
        expect(holds(&prove, &wanted), || format!("{line} is no proof"))
    }

    fn request(&mut self, method: &str, params: &Value) -> io::Result<()> {
        self.latest = self.host.number();
        let line = json!({"jsonrpc": "2.0", "id": self.latest, "method": method, "params": params});
        self.host.send_line(&line.to_string())
    }

    fn answer(
        &mut self,
        result: Option<&Value>,
        error: Option<i64>,
        code: Option<&str>,
    ) -> io::Result<()> {
        let answer = self.host.answer_to(self.latest)?;
        let shown = shown(&answer);
        if let Some(wanted) = result {
            expect(
                shown.get("result").is_some_and(|r| holds(r, wanted)),
                || format!("{shown} does not hold {wanted}"),
            )?;
        }
        if let Some(wanted) = error {
            let found = shown.pointer("/error/code").and_then(Value::as_i64);
            expect(found == Some(wanted), || {
                format!("{shown} is no error {wanted}")
            })?;
        }
        if let Some(wanted) = code {
            let found = shown.pointer("/error/data/code").and_then(Value::as_str);
            expect(found == Some(wanted), || {
                format!("{shown} does not say `{wanted}`")
            })?;
        }
        Ok(())
    }

    fn alive(&mut self) -> io::Result<()> {
        self.request("keyway/ping", &json!({}))?;
        self.answer(Some(&json!({})), None, None)
    }

    fn register(&mut self) -> io::Result<()> {
        let params = json!({"manifest": self.manifest.source(), "settings": {}});
        self.request("keyway/register", &params)?;
        let answer = self.host.answer_to(self.latest)?;
        let result = answer.map_err(io::Error::other)?;
        let registration = Registration::from_result(&result).map_err(io::Error::other)?;
        let tools = registration.tools.iter().map(|tool| &tool.name);
        self.tools = tools.map(ToString::to_string).collect();
        for tool in self.manifest.contributes().tools.keys() {
            let is_there = self.tools.iter().any(|name| name == tool.as_str());
            expect(is_there, || format!("it did not register `{tool}`"))?;
        }
        self.request("keyway/start", &json!({}))?;
        self.answer(Some(&json!({})), None, None)
    }

    fn call_every_tool(&mut self) -> io::Result<()> {
        for (number, tool) in (100..).zip(self.tools.clone()) {
            self.request("tools/call", &call_params(&tool, number))?;
            let answer = self.host.answer_to(self.latest)?;
            let shown = shown(&answer);
            let is_one = match &answer {
                Ok(result) => keyway_channel::message::output_from_result(result).is_ok(),
                Err(error) => !error.message().is_empty(),
            };
            expect(is_one, || format!("`{tool}` answered {shown}"))?;
        }
        Ok(())
    }

    fn first_tool(&self) -> io::Result<String> {
        let tool = self.tools.first().cloned();
        tool.ok_or_else(|| io::Error::other("there is no tool to call"))
    }

    fn start_and_cancel(&mut self) -> io::Result<()> {
        let tool = self.first_tool()?;
        self.request("tools/call", &call_params(&tool, 99))?;
        let line = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"call": 99}});
        self.host.send_line(&line.to_string())?;
        drop(self.host.answer_to(self.latest)?);
        // One answer and no second: the next line answers the next request.
        self.alive()
    }

    fn exit(&mut self, code: Option<i32>) -> io::Result<()> {
        let Some(status) = self.plugin.wait(PATIENCE) else {
            return Err(io::Error::other("it did not end"));
        };
        expect(code.is_none() || status.code() == code, || {
            format!("it ended with {status}")
        })
    }
}

fn call_params(tool: &str, call: u64) -> Value {
    json!({"name": tool, "arguments": {},
        "_meta": {"dev.keyway/call": {"call": call, "caller": "acme/ops/kit"}}})
}

fn shown(answer: &RawAnswer) -> Value {
    match answer {
        Ok(result) => json!({"result": result}),
        Err(error) => json!({"error": error}),
    }
}

fn expect(is_so: bool, problem: impl FnOnce() -> String) -> io::Result<()> {
    match is_so {
        true => Ok(()),
        false => Err(io::Error::other(problem())),
    }
}

/// Replaces the fields that `with` names, nested ones included.
fn merge(base: &mut Value, with: &Value) {
    match (base, with) {
        (Value::Object(base), Value::Object(with)) => {
            for (key, value) in with {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (base, with) => *base = with.clone(),
    }
}

/// A line with its line feed; `\xff` in it becomes that byte.
fn line_of(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\xff");
    let mut line = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        line.push(0xff);
        line.extend_from_slice(piece.as_bytes());
    }
    line.push(b'\n');
    line
}
