//! A child and the host's end of its channel.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keyway_channel::ChannelLimits;
use keyway_channel::handshake::{Offer, Secret};
use keyway_channel::message::{
    FromHost, HostRequest, HostRequestId, RawAnswer, RpcError, ToolCall, output_from_result,
};
use keyway_plugin_api::{Manifest, ToolOutput};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::kit::child::{Launch, Plugin};
use super::kit::host_end::{HostEnd, offer};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn repository() -> PathBuf {
    let serve = Path::new(env!("CARGO_MANIFEST_DIR"));
    serve.parent().unwrap().parent().unwrap().to_owned()
}

/// Finds an interpreter itself and no shim of a version manager, which wants an environment.
pub(crate) fn interpreter(command: &str) -> String {
    let print = match command {
        "node" => ["-p", "process.execPath"],
        _ => ["-c", "import sys; print(sys.executable)"],
    };
    let found = Command::new(command).args(print).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

pub(crate) fn example(name: &str, command: &str, script: &str) -> Launch {
    Launch {
        command: interpreter(command),
        args: vec![script.to_owned()],
        package: repository().join("examples/plugins").join(name),
    }
}

pub(crate) fn probe() -> Launch {
    Launch {
        command: env!("CARGO_BIN_EXE_keyway-serve-probe").to_owned(),
        args: Vec::new(),
        package: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe"),
    }
}

/// A running plugin with an open channel.
pub(crate) struct Scene {
    pub(crate) plugin: Plugin,
    pub(crate) host: HostEnd,
    pub(crate) manifest: Manifest,
}

impl Scene {
    /// Starts a plugin and opens nothing.
    pub(crate) fn started(launch: &Launch) -> (Self, Secret) {
        let manifest = super::kit::manifest(&launch.package).unwrap();
        let secret = Secret::draw().unwrap();
        let home = std::env::temp_dir();
        let (plugin, stream) = launch.start(&secret, &home).unwrap();
        let host = HostEnd::new(stream, ChannelLimits::default()).unwrap();
        let scene = Self {
            plugin,
            host,
            manifest,
        };
        (scene, secret)
    }

    /// Starts a plugin and shakes hands.
    pub(crate) fn opened(launch: &Launch) -> Self {
        Self::opened_with(launch, |offer| offer)
    }

    pub(crate) fn opened_with(launch: &Launch, change: impl FnOnce(Offer) -> Offer) -> Self {
        let (mut scene, secret) = Self::started(launch);
        let offer = change(offer(&scene.manifest));
        scene.host.shake_hands(secret, offer).unwrap();
        scene
    }

    /// Starts a plugin up to its first call.
    pub(crate) fn ready(launch: &Launch) -> Self {
        let mut scene = Self::opened(launch);
        scene.register(&json!({})).unwrap();
        scene.ask(HostRequest::Start).unwrap();
        scene
    }

    pub(crate) fn probe() -> Self {
        Self::ready(&probe())
    }

    pub(crate) fn register(&mut self, settings: &Value) -> RawAnswer {
        let manifest = to_raw_value(self.manifest.source()).unwrap();
        let settings = to_raw_value(settings).unwrap();
        self.ask(HostRequest::Register { manifest, settings })
    }

    /// Sends a request and returns its number.
    pub(crate) fn send(&mut self, request: HostRequest) -> u64 {
        let number = self.host.number();
        let id = HostRequestId(number);
        self.host.send(&FromHost::Request { id, request }).unwrap();
        number
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask(&mut self, request: HostRequest) -> RawAnswer {
        let number = self.send(request);
        self.host.answer_to(number).unwrap()
    }

    pub(crate) fn start_call(&mut self, call: u64, tool: &str, arguments: &Value) -> u64 {
        self.send(call_of(call, tool, arguments, i64::MAX))
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value, RpcError> {
        let answer = self.ask(call_of(17, tool, arguments, i64::MAX));
        answer.map(|result| value_of(&result))
    }

    /// Waits for the end and returns the code and what was said on the standard streams.
    pub(crate) fn ended(mut self) -> (Option<i32>, String, String) {
        let status = self.plugin.wait(PATIENCE).unwrap();
        let (out, err) = self.plugin.finish();
        (status.code(), out, err)
    }
}

pub(crate) fn call_of(call: u64, tool: &str, arguments: &Value, deadline_ms: i64) -> HostRequest {
    HostRequest::CallTool(ToolCall {
        name: tool.into(),
        arguments: to_raw_value(arguments).unwrap(),
        call,
        deadline_ms,
        caller: "acme/ops/triage".into(),
    })
}

pub(crate) fn value_of(result: &RawValue) -> Value {
    let output: ToolOutput = output_from_result(result).unwrap();
    output.to_value()
}
