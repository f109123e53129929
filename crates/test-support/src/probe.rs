//! A plugin that asks for whatever it is told to ask for.

use std::borrow::Cow;

use keyway_plugin_api::{
    Args, CallCx, EffectReply, EffectRequest, FsRead, FsWrite, LogLevel, Plugin, Register,
    RegisterError, Secret, SecretName, State, ToolError, ToolInput, Tools, tool,
};
use serde_json::{Value, json};

/// A plugin that asks for whatever it is told to: the hostile guest that tests of a gate need.
///
/// Its manifest asks for every family, always optionally, so nothing of it is granted by an
/// approval alone. Its tools:
///
/// | tool | does |
/// |---|---|
/// | `ask` | any request, given as the JSON of an [`EffectRequest`]; declares no need |
/// | `read`, `write`, `reveal`, `remember`, `relay` | one request each; declare their need |
/// | `pong` | answers `"pong"`; needs nothing |
/// | `hidden` | answers `"found"`; optional, so a rule has to show it |
///
/// ```
/// use keyway_plugin_api::DenialReason;
/// use keyway_test_support::{Probe, TestHost, assert_denied, block_on};
///
/// block_on(async {
///     let host = TestHost::with(Probe).await;
///     for (request, tag) in Probe::requests() {
///         let result = host.call("probe/ask", Probe::asking(&request)).await;
///         match tag {
///             Some(_) => assert!(result.unwrap_err().denial().is_some()),
///             None => assert!(result.is_ok()),
///         }
///     }
/// });
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to configure")]
pub struct Probe;

impl Probe {
    /// The plugin's name.
    pub const NAME: &'static str = "probe";

    /// The optional requests of the manifest, as tags.
    pub const TAGS: [&'static str; 6] = [
        "filesystem:read:./in",
        "filesystem:write:./out",
        "network:probe.test",
        "secret:PROBE_TOKEN",
        "state:4096",
        "tool:probe/*",
    ];

    /// Returns one request of every kind with the tag that it needs; `None` for a plugin's own
    /// log, which needs nothing.
    #[must_use]
    pub fn requests() -> Vec<(EffectRequest, Option<&'static str>)> {
        use EffectRequest as R;
        let [read, write, network, secret, state, tool] = Self::TAGS.map(Some);
        let (inside, outside) = (|| "in/file".to_owned(), || "out/file".to_owned());
        let (key, value) = (|| "key".to_owned(), || b"value".to_vec());
        vec![
            (call("probe/pong"), tool),
            (R::FsList { path: "in".into() }, read),
            (R::FsRead { path: inside() }, read),
            (R::FsRemove { path: outside() }, write),
            (R::FsStat { path: inside() }, read),
            (
                R::FsWrite {
                    path: outside(),
                    bytes: value(),
                },
                write,
            ),
            (fetch("https://probe.test/"), network),
            (
                R::Log {
                    level: LogLevel::Info,
                    message: "probing".into(),
                },
                None,
            ),
            (
                R::SecretRead {
                    name: "PROBE_TOKEN".into(),
                },
                secret,
            ),
            (
                R::StateCas {
                    key: key(),
                    expected: None,
                    value: value(),
                },
                state,
            ),
            (R::StateDelete { key: key() }, state),
            (R::StateGet { key: key() }, state),
            (
                R::StateList {
                    prefix: String::new(),
                },
                state,
            ),
            (
                R::StatePut {
                    key: key(),
                    value: value(),
                },
                state,
            ),
        ]
    }

    /// Returns the arguments with which `ask` makes a request.
    #[must_use]
    pub fn asking(request: &EffectRequest) -> Value {
        json!({ "request": serde_json::to_string(request).unwrap_or_default() })
    }

    /// Returns the calls of the tools that declare their need, with the tag of the need.
    #[must_use]
    pub fn calls() -> [(&'static str, Value, &'static str); 5] {
        let [read, write, _, secret, state, tool] = Self::TAGS;
        [
            ("probe/read", json!({"path": "in/file"}), read),
            ("probe/write", json!({"path": "out/file"}), write),
            ("probe/reveal", json!({}), secret),
            ("probe/remember", json!({}), state),
            ("probe/relay", json!({"tool": "probe/pong"}), tool),
        ]
    }
}

fn fetch(url: &str) -> EffectRequest {
    EffectRequest::HttpFetch {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
    }
}

fn call(tool: &str) -> EffectRequest {
    EffectRequest::CallTool {
        tool: tool.to_owned(),
        arguments: "{}".to_owned(),
    }
}

#[derive(ToolInput)]
struct Request {
    /// The request, as JSON text.
    request: String,
}

#[derive(ToolInput)]
struct Path {
    /// The path.
    path: String,
}

#[derive(ToolInput)]
struct Named {
    /// The tool's name.
    tool: String,
}

struct ProbeToken;

impl SecretName for ProbeToken {
    const NAME: &'static str = "PROBE_TOKEN";
}

/// Makes any request.
#[tool(effect = read)]
async fn ask(Args(input): Args<Request>, cx: &CallCx) -> Result<String, ToolError> {
    let request = serde_json::from_str(&input.request);
    let request = request.map_err(|e| ToolError::invalid_arguments(e.to_string()))?;
    let reply = cx.perform(request).await?;
    Ok(match reply {
        // What a secret is, is nobody's business but the tool's.
        EffectReply::Secret(_) => "a secret".to_owned(),
        reply => format!("{reply:?}"),
    })
}

/// Reads a file.
#[tool(effect = read)]
async fn read(Args(input): Args<Path>, files: FsRead) -> Result<String, ToolError> {
    files.read_text(input.path).await
}

/// Writes a file.
#[tool(effect = write)]
async fn write(Args(input): Args<Path>, files: FsWrite) -> Result<(), ToolError> {
    files.write(input.path, "written").await
}

/// Tells how long a secret is.
#[tool(effect = read)]
async fn reveal(token: Secret<ProbeToken>) -> Result<String, ToolError> {
    let length = token.reveal().await?.expose().len();
    Ok(length.to_string())
}

/// Keeps a value.
#[tool(effect = write)]
async fn remember(state: State) -> Result<(), ToolError> {
    state.put("key", "value").await
}

/// Calls a tool.
#[tool(effect = read)]
async fn relay(Args(input): Args<Named>, tools: Tools) -> Result<String, ToolError> {
    let output: Value = tools.call(input.tool, &json!({})).await?;
    Ok(output.to_string())
}

/// Answers.
#[tool(effect = read)]
fn pong() -> String {
    "pong".to_owned()
}

/// Answers whoever may see it.
#[tool(effect = read)]
fn hidden() -> String {
    "found".to_owned()
}

const MANIFEST: &str = r#"{
  "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
  "name": "probe", "version": "0.1.0",
  "description": "Asks for whatever it is told to ask for.",
  "extensions": { "dev.keyway": {
    "schemaVersion": 1, "api": ">=0.1, <0.2",
    "runtime": { "kind": "linked" },
    "capabilities": [
      { "kind": "filesystem", "read": ["./in"], "write": ["./out"], "optional": true },
      { "kind": "network", "hosts": ["probe.test"], "optional": true },
      { "kind": "secret", "names": ["PROBE_TOKEN"], "optional": true },
      { "kind": "state", "quotaBytes": 4096, "optional": true },
      { "kind": "tool", "tools": ["probe/*"], "optional": true }
    ],
    "contributes": { "tools": [
      "ask", "read", "write", "reveal", "remember", "relay", "pong",
      { "name": "hidden", "optional": true }
    ] } } } }"#;

impl Plugin for Probe {
    fn manifest(&self) -> Cow<'static, str> {
        MANIFEST.into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Ask)?.tool(Read)?.tool(Write)?.tool(Reveal)?;
        ctx.tool(Remember)?.tool(Relay)?.tool(Pong)?.tool(Hidden)?;
        Ok(())
    }
}
