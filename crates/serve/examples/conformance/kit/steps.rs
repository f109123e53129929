//! Checks as they stand in `transcripts/v1/conformance.jsonl`.

use serde::Deserialize;
use serde_json::Value;

/// The checks that come with the channel.
pub(crate) const CHECKS: &str =
    include_str!("../../../../channel/transcripts/v1/conformance.jsonl");

/// One check: a fresh start of the plugin, and steps that must all succeed.
#[derive(Debug, Deserialize)]
pub(crate) struct Check {
    pub(crate) check: String,
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Step {
    /// The plugin is still there and answers a ping.
    Alive,
    /// The next answer is the one to the latest request, and holds this.
    Answer {
        #[serde(default)]
        result: Option<Value>,
        #[serde(default)]
        error: Option<i64>,
        #[serde(default)]
        code: Option<String>,
    },
    /// The hello is answered with a result, and a proof follows.
    Answered,
    /// The next answer is the one to this request, and a result.
    AnswerOf { id: u64 },
    /// Calls every registered tool with `{}`; each gives an output or an error.
    CallEveryTool,
    /// The host closes the channel.
    Close,
    /// Sends a line byte by byte.
    Dribble { message: Value },
    /// The plugin ends by itself, with this code if one is given.
    Exit {
        #[serde(default)]
        code: Option<i32>,
    },
    /// Sends a filler without a line feed.
    Flood { bytes: usize },
    /// A good handshake.
    Handshake,
    /// Sends a hello with some parameters replaced.
    Hello {
        #[serde(default)]
        with: Value,
    },
    /// Sends the hello of this very channel once more.
    HelloAgain,
    /// Sends text as one line. `\\xff` stands for that byte.
    Line { text: String },
    /// Sends a notification.
    Notify { method: String, params: Value },
    /// Everything up to `ready`, and then this line instead of it; none when it is left out.
    NotReady {
        #[serde(default)]
        line: Option<Value>,
    },
    /// The handshake's last line with another code in it.
    WrongMac,
    /// The answer to the hello is a refusal with this code.
    Refused { code: String },
    /// `keyway/register` with the plugin's manifest, and `keyway/start`.
    Register,
    /// Sends a request.
    Request { method: String, params: Value },
    /// Sends a call of the first tool.
    RequestCall,
    /// Starts a call of the first tool and says at once that nobody waits for it.
    StartAndCancel,
}

/// Reads the checks.
pub(crate) fn checks() -> serde_json::Result<Vec<Check>> {
    CHECKS.lines().map(serde_json::from_str).collect()
}

/// Tells whether `found` holds everything that `wanted` names.
pub(crate) fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| holds(found, value))),
        _ => found == wanted,
    }
}
