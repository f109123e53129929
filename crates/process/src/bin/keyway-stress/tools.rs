//! What comes after the handshake: tools whose name says what they do.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use keyway_channel::ChannelLimits;
use keyway_channel::message::{
    FromHost, FromPlugin, HookRegistration, HostRequest, HostRequestId, Pong, RawAnswer,
    Registration, RpcError, StateMigration, ToolCall, done, output_to_result, verdict_to_result,
};
use keyway_plugin_api::{
    Effect, HookAuthority, HookVerdict, ToolDescriptor, ToolError, ToolName, ToolOutput,
};
use serde_json::{Value, json};

use crate::attack;
use crate::bomb;
use crate::channel::Channel;
use crate::switch::{Switch, Switches};

/// Serves until the host says so or is gone.
pub(crate) fn serve(channel: &Channel, switches: &Switches) -> ExitCode {
    let program = Program {
        channel,
        switches,
        cancelled: Mutex::default(),
        woken: Condvar::new(),
        remembered: Mutex::new(Value::Null),
        beats: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        while let Some(line) = channel.line() {
            match FromHost::parse(&line) {
                Ok(FromHost::Answer { id, answer }) => channel.answered(id.0, answer),
                Ok(FromHost::Cancelled { call }) => program.cancel(call),
                // A thread would cost more than the echo.
                Ok(FromHost::Request {
                    id,
                    request: HostRequest::CallTool(call),
                }) if &*call.name == "echo" && !program.has(Switch::PingOkButHandlersStuck) => {
                    program.call(id, &call);
                }
                // Nothing is read any more.
                Ok(FromHost::Request {
                    request: HostRequest::CallTool(call),
                    ..
                }) if &*call.name == "deaf" => hang(),
                Ok(FromHost::Request {
                    id,
                    request: HostRequest::CallTool(call),
                }) => {
                    let program = &program;
                    scope.spawn(move || program.call(id, &call));
                }
                Ok(FromHost::Request { id, request }) => {
                    program.answer_request(id, &request);
                    let is_start = matches!(request, HostRequest::Start);
                    if is_start && program.has(Switch::CapabilityWithoutCall) {
                        let program = &program;
                        scope.spawn(move || program.ask_without_call());
                    }
                }
                Ok(FromHost::Refused { id, error }) => program.answer(id, Err(error)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        // Tools that hang would hold the scope open.
        std::process::exit(0)
    })
}

/// Stays until somebody ends the process.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

pub(crate) fn pause(time: Duration) {
    let (nobody, never) = (Mutex::new(()), Condvar::new());
    let guard = nobody.lock().unwrap_or_else(PoisonError::into_inner);
    // Only the time ends this wait.
    drop(never.wait_timeout(guard, time));
}

struct Program<'a> {
    channel: &'a Channel,
    switches: &'a Switches,
    cancelled: Mutex<HashSet<u64>>,
    woken: Condvar,
    /// What `late`, or the request without a call, was answered.
    remembered: Mutex<Value>,
    /// Pings that were answered.
    beats: AtomicU64,
}

impl Program<'_> {
    fn has(&self, switch: Switch) -> bool {
        self.switches.has(switch)
    }

    fn cancel(&self, call: u64) {
        let mut cancelled = self
            .cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        cancelled.insert(call);
        self.woken.notify_all();
    }

    fn answer(&self, id: HostRequestId, answer: RawAnswer) {
        let mut line = Vec::new();
        let message = FromPlugin::Answer { id, answer };
        if message.encode(ChannelLimits::default(), &mut line).is_ok() {
            self.channel.raw(&line);
        }
    }

    fn answer_request(&self, id: HostRequestId, request: &HostRequest) {
        match request {
            HostRequest::Ping if self.has(Switch::IgnorePing) => {}
            HostRequest::Ping => {
                self.beats.fetch_add(1, Ordering::Relaxed);
                self.answer(id, Pong::default().to_result());
            }
            HostRequest::Register { manifest, .. } => self.register(id, manifest.get()),
            HostRequest::Start if self.has(Switch::HangInStart) => {}
            HostRequest::Start if self.has(Switch::StartFails) => {
                self.answer(id, Err(RpcError::reason("it does not want to start")));
            }
            HostRequest::Start => {
                self.answer(id, done());
                self.after_start();
            }
            HostRequest::Migrate(StateMigration { entries, .. }) => {
                let mut entries = entries.clone();
                entries.insert("migrated".to_owned(), b"yes".to_vec());
                self.answer(id, StateMigration::entries_to_result(&entries));
            }
            HostRequest::RunHook { .. } if self.has(Switch::PingOkButHandlersStuck) => {}
            HostRequest::RunHook { event, .. } => {
                let block = event.payload["block"] == json!(true);
                self.answer(
                    id,
                    verdict_to_result(match block {
                        true => HookVerdict::Block {
                            reason: "asked to".to_owned(),
                        },
                        false => HookVerdict::Continue,
                    }),
                );
            }
            HostRequest::Drain | HostRequest::Shutdown if self.has(Switch::IgnoreStop) => {}
            HostRequest::Shutdown => {
                self.answer(id, done());
                std::process::exit(0);
            }
            _ => self.answer(id, done()),
        }
    }

    fn register(&self, id: HostRequestId, manifest: &str) {
        if self.has(Switch::ExitInRegister) {
            eprintln_and_exit("panicked at 'register', src/plugin.rs:7");
        }
        if self.has(Switch::HangInRegister) {
            return;
        }
        if self.has(Switch::RegisterFails) {
            self.answer(id, Err(RpcError::reason("two tools and then no more")));
            return;
        }
        let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
        let declared = &manifest["extensions"]["dev.keyway"]["contributes"];
        self.answer(id, self.registration(declared).to_result());
    }

    fn registration(&self, declared: &Value) -> Registration {
        let mut names: Vec<String> = match &declared["tools"] {
            Value::Array(names) => names.iter().filter_map(tool_name).collect(),
            Value::Object(names) => names.keys().cloned().collect(),
            _ => Vec::new(),
        };
        if self.has(Switch::RegisterLess) {
            names.pop();
        }
        if self.has(Switch::RegisterUndeclared) {
            names.push("undeclared".to_owned());
        }
        let points = declared["hooks"].as_array().cloned().unwrap_or_default();
        let points = points
            .into_iter()
            .filter_map(|point| serde_json::from_value(point).ok());
        Registration {
            tools: names
                .iter()
                .filter_map(|name| self.describe(name))
                .collect(),
            hooks: points
                .zip(0..)
                .map(|(point, id)| HookRegistration {
                    id,
                    point,
                    authority: HookAuthority::Gate,
                })
                .collect(),
        }
    }

    fn describe(&self, name: &str) -> Option<ToolDescriptor> {
        let mut description = format!("Does what `{name}` says.");
        if self.has(Switch::ToolListDrift) {
            let random = keyway_channel::handshake::Nonce::draw().ok()?;
            description = format!("{description} {random:?}");
        }
        let schema = json!({ "type": "object" });
        let name = ToolName::parse(name).ok()?;
        let repeats = matches!(name.as_str(), "echo" | "nap");
        let descriptor = ToolDescriptor::new(name, description, Effect::Read, schema);
        Some(descriptor.with_idempotent(repeats))
    }

    /// What some switches do once it serves.
    fn after_start(&self) {
        if self.has(Switch::PrintToStdout) {
            use std::io::Write as _;
            // The host keeps what it wants of it.
            let _ = writeln!(
                std::io::stdout(),
                "{{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{{}}}}"
            );
        }
        if self.has(Switch::DeepJson) {
            self.channel
                .say(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
        }
        if self.has(Switch::UnknownAnswer) {
            self.channel
                .say(r#"{"jsonrpc":"2.0","id":4711,"result":{}}"#);
        }
        if self.has(Switch::CloseChannel) {
            self.channel.close();
            hang();
        }
        if self.has(Switch::ForkGrandchildAndExit) {
            attack::leave_a_grandchild("4712");
        }
        if self.has(Switch::ExitAfterStart) {
            // By then it serves.
            pause(Duration::from_millis(100));
        }
        if self.has(Switch::ForkGrandchildAndExit) || self.has(Switch::ExitAfterStart) {
            std::process::exit(0);
        }
    }

    fn call(&self, id: HostRequestId, call: &ToolCall) {
        if self.has(Switch::NeverAnswer) {
            return;
        }
        if self.has(Switch::PingOkButHandlersStuck) {
            hang();
        }
        let arguments: Value = serde_json::from_str(call.arguments.get()).unwrap_or_default();
        if &*call.name == "late" {
            // The answer goes first, so that the call has ended when the request comes.
            self.answer(id, output_to_result(Ok(&ToolOutput::Empty)));
            pause(Duration::from_millis(100));
            self.remember(self.request(&arguments, Some(call.call)));
            return;
        }
        let outcome = self.run(call, &arguments);
        self.answer(
            id,
            match &outcome {
                Ok(value) => ToolOutput::json(value)
                    .map_err(|error| RpcError::tool(&error))
                    .and_then(|output| output_to_result(Ok(&output))),
                Err(error) => output_to_result(Err(error)),
            },
        );
    }

    fn run(&self, call: &ToolCall, arguments: &Value) -> Result<Value, ToolError> {
        match &*call.name {
            "ask" => {
                let own = json!(call.call);
                let number = arguments.get("call").unwrap_or(&own);
                Ok(self.request(arguments, number.as_u64()))
            }
            "attack" => Ok(attack::all(arguments)),
            "beats" => Ok(json!(self.beats.load(Ordering::Relaxed))),
            "bomb" => Ok(bomb::explode(arguments)),
            "crash" => std::process::abort(),
            "flood" => Ok(self.flood(call, arguments)),
            "fork" => {
                let seconds = arguments["seconds"].as_str().unwrap_or("4711");
                Ok(json!(attack::leave_a_grandchild(seconds)))
            }
            "look" => {
                let mut seen = attack::look();
                seen["tools_expected"] = json!(self.channel.tools_expected);
                Ok(seen)
            }
            "print" => Ok(print(arguments)),
            "recall" => Ok(self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()),
            "say" => Ok(self.say(call, arguments)),
            "nap" | "sleep" => self.sleep(call, arguments),
            "stuck" => hang(),
            _ => Ok(arguments.clone()),
        }
    }

    /// Wants its state outside any call.
    fn ask_without_call(&self) {
        let get = json!({ "method": "host/state.get", "params": { "key": "k" } });
        let mut answer = self.request(&get, None);
        // The host may not have counted it as running yet.
        while answer["error"]["data"]["denial"]["reason"] == json!("not_running") {
            pause(Duration::from_millis(20));
            answer = self.request(&get, None);
        }
        self.remember(answer);
    }

    fn remember(&self, answer: Value) {
        *self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// Sends a request as the arguments say and gives the answer back as it came.
    fn request(&self, arguments: &Value, call: Option<u64>) -> Value {
        let mut params = arguments["params"].clone();
        if let (Some(call), Some(params)) = (call, params.as_object_mut()) {
            params.insert("call".to_owned(), call.into());
        }
        let method = arguments["method"].as_str().unwrap_or_default();
        match self.channel.ask(method, &params) {
            Some(Ok(result)) => json!({ "result": parsed(result.get()) }),
            Some(Err(error)) => json!({ "error": {
                "message": error.message(),
                "data": error.data().map(|data| parsed(data.get())),
            }}),
            None => json!("no answer"),
        }
    }

    fn sleep(&self, call: &ToolCall, arguments: &Value) -> Result<Value, ToolError> {
        let time = Duration::from_millis(arguments["ms"].as_u64().unwrap_or(1_000));
        if self.has(Switch::IgnoreCancel) {
            pause(time);
            return Ok(json!("slept"));
        }
        let cancelled = self
            .cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_live = |cancelled: &mut HashSet<u64>| !cancelled.contains(&call.call);
        let woken = self.woken.wait_timeout_while(cancelled, time, is_live);
        match woken.map(|(_, timeout)| timeout.timed_out()) {
            Ok(true) => Ok(json!("slept")),
            _ => Err(ToolError::internal("the call was cancelled")),
        }
    }

    /// Says many things that need no answer.
    fn flood(&self, call: &ToolCall, arguments: &Value) -> Value {
        let count = arguments["count"].as_u64().unwrap_or(100_000);
        let line = json!({ "jsonrpc": "2.0", "method": "host/log", "params": {
            "call": call.call, "level": "info", "message": "again",
        }});
        let lines = format!("{line}\n").repeat(1_000);
        (0..count / 1_000).for_each(|_| self.channel.raw(lines.as_bytes()));
        json!(count)
    }

    /// Puts bytes on the channel as they are: a text in which `$CALL` is this call's number, or the
    /// numbers in `bytes`; so often; in pieces of so many bytes.
    fn say(&self, call: &ToolCall, arguments: &Value) -> Value {
        let text = arguments["text"].as_str().unwrap_or_default();
        let mut bytes = text.replace("$CALL", &call.call.to_string()).into_bytes();
        let numbers = arguments["bytes"].as_array().into_iter().flatten();
        bytes.extend(numbers.filter_map(|number| u8::try_from(number.as_u64()?).ok()));
        let number = |name: &str| {
            arguments[name]
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
        };
        let piece = number("piece").unwrap_or(usize::MAX).max(1);
        for _ in 0..number("times").unwrap_or(1) {
            bytes.chunks(piece).for_each(|part| self.channel.raw(part));
        }
        json!("said")
    }
}

fn tool_name(entry: &Value) -> Option<String> {
    entry
        .as_str()
        .or_else(|| entry["name"].as_str())
        .map(str::to_owned)
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

/// Writes to the standard output.
fn print(arguments: &Value) -> Value {
    use std::io::Write as _;
    let bytes = arguments["bytes"].as_u64().unwrap_or(1_000);
    let chunk = [b'x'; 1 << 16];
    let mut written = 0;
    while written < bytes && std::io::stdout().write_all(&chunk).is_ok() {
        written += 1 << 16;
    }
    // What is not flushed is not missed.
    let _ = std::io::stdout().write_all(b"\nthe last line\n");
    let _ = std::io::stdout().flush();
    json!(written)
}

fn eprintln_and_exit(text: &str) -> ! {
    use std::io::Write as _;
    // Nobody may be left to read it.
    let _ = writeln!(std::io::stderr(), "{text}");
    std::process::exit(101)
}
