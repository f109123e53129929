//! From what a server answers to what a tool gives back, and from its failures to ours.

use keyway_host::text::printable_lines;
use keyway_plugin_api::{Content, ToolError, ToolErrorKind, ToolOutput};
use serde_json::Value;

use crate::McpError;
use crate::client::CallReply;

/// JSON-RPC's number for wrong parameters.
const INVALID_PARAMS: i64 = -32602;

/// Turns a reply into an output; `promises_json` when the tool has an output schema.
pub(super) fn output_of(reply: CallReply, promises_json: bool) -> Result<ToolOutput, ToolError> {
    if reply.is_error {
        return Err(ToolError::internal(text_of(&reply)));
    }
    match reply.structured_content {
        Some(value) if promises_json || reply.content.is_empty() => ToolOutput::json(&value),
        _ => parts(reply.content),
    }
}

fn parts(content: Vec<Value>) -> Result<ToolOutput, ToolError> {
    let mut parts = content
        .into_iter()
        .map(part)
        .collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() {
        return Ok(ToolOutput::Empty);
    }
    match parts.as_mut_slice() {
        [Content::Text { text }] => Ok(ToolOutput::Text(std::mem::take(text))),
        _ => Ok(ToolOutput::Content(parts)),
    }
}

fn part(value: Value) -> Result<Content, ToolError> {
    serde_json::from_value(value)
        .map_err(|e| ToolError::internal(format!("a part of the answer is of no known kind: {e}")))
}

/// The words of a reply, for a model.
fn text_of(reply: &CallReply) -> String {
    let texts = reply
        .content
        .iter()
        .filter_map(|part| part.get("text")?.as_str());
    let text = texts.collect::<Vec<_>>().join("\n");
    match (text.is_empty(), &reply.structured_content) {
        (true, Some(value)) => value.to_string(),
        (true, None) => "the tool failed and says nothing".to_owned(),
        (false, _) => printable_lines(&text).into_owned(),
    }
}

/// Turns a failure between here and the server into a tool's.
pub(super) fn error_of(error: &McpError) -> ToolError {
    let kind = match error {
        McpError::Gone { .. } => ToolErrorKind::PluginGone,
        McpError::TimedOut { .. } => ToolErrorKind::DeadlineExceeded,
        McpError::Authorization { .. } | McpError::Unreachable { .. } => ToolErrorKind::Unavailable,
        McpError::Refused { number, .. } if *number == INVALID_PARAMS => {
            ToolErrorKind::InvalidArguments
        }
        McpError::Protocol { .. } | McpError::Refused { .. } => ToolErrorKind::Internal,
    };
    ToolError::new(kind, error.to_string())
}
