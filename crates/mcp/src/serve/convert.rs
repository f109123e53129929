//! From a view's tools, outputs and refusals to MCP's shapes.

use keyway_host::view::ListedTool;
use keyway_host::{CallError, Outcome};
use keyway_plugin_api::{Content, Effect, ToolDescriptor, ToolOutput};
use rmcp::model::{CallToolResult, ContentBlock, MetaObject, Tool};
use serde_json::{Map, Value, json};

/// Describes a tool; `wire` is its name here. `None` for what cannot be described.
pub(super) fn tool_of(tool: &ListedTool, wire: &str, is_modern: bool) -> Option<Tool> {
    let descriptor = tool.descriptor();
    let mut described = json!({
        "name": wire,
        "description": descriptor.description,
        "inputSchema": descriptor.input_schema,
        "annotations": hints(descriptor),
        "_meta": {"dev.keyway/id": tool.id},
    });
    if let Some(title) = &descriptor.title {
        described["title"] = json!(title);
    }
    if let Some(schema) = &descriptor.output_schema {
        described["outputSchema"] = match is_wrapped(descriptor, is_modern) {
            true => wrapped_schema(schema),
            false => schema.clone(),
        };
    }
    serde_json::from_value(described).ok()
}

fn hints(descriptor: &ToolDescriptor) -> Value {
    json!({
        "readOnlyHint": descriptor.effect == Effect::Read,
        "destructiveHint": descriptor.effect >= Effect::Destructive,
        "idempotentHint": descriptor.idempotent,
        "openWorldHint": descriptor.is_open_world() || !descriptor.extra.is_empty(),
    })
}

/// Before 2026-07-28 a structured result is an object; another one stands under `result`.
fn is_wrapped(descriptor: &ToolDescriptor, is_modern: bool) -> bool {
    let root = descriptor
        .output_schema
        .as_ref()
        .and_then(|schema| schema.get("type"));
    let is_object = root.and_then(Value::as_str) == Some("object");
    descriptor.output_schema.is_some() && !is_object && !is_modern
}

fn wrapped_schema(schema: &Value) -> Value {
    json!({"type": "object", "properties": {"result": schema}, "required": ["result"]})
}

/// Writes an output as a result.
pub(super) fn result_of(
    descriptor: &ToolDescriptor,
    output: &ToolOutput,
    is_modern: bool,
) -> CallToolResult {
    let words = |said: &str| Some(vec![ContentBlock::text(said)]);
    let content = match output {
        ToolOutput::Content(parts) => blocks(parts),
        ToolOutput::Json(raw) => words(raw.get()),
        ToolOutput::Text(said) => words(said),
        _ => Some(Vec::new()),
    };
    let Some(content) = content else {
        let sorry = "the tool's answer has no form in this protocol";
        return CallToolResult::error(vec![ContentBlock::text(sorry)]);
    };
    let mut result = CallToolResult::success(content);
    if let ToolOutput::Json(_) = output {
        result.structured_content = structured(descriptor, output, is_modern);
    }
    result
}

fn blocks(parts: &[Content]) -> Option<Vec<ContentBlock>> {
    serde_json::from_value(serde_json::to_value(parts).ok()?).ok()
}

fn structured(descriptor: &ToolDescriptor, output: &ToolOutput, is_modern: bool) -> Option<Value> {
    let value = output.to_value();
    match is_wrapped(descriptor, is_modern) {
        true => Some(json!({"result": value})),
        false if is_modern || value.is_object() => Some(value),
        false => None,
    }
}

/// Writes a refusal or a failure, with what the model can do about it.
pub(super) fn failure_of(error: &CallError) -> CallToolResult {
    said(&error.to_string(), error.code())
}

/// Says that an operator has to decide first.
pub(super) fn waiting(outcome: &Outcome) -> CallToolResult {
    let id = match outcome {
        Outcome::NeedsApproval(request) => request.id.as_str(),
        _ => "",
    };
    let words = format!(
        "This call was not run: an operator has to approve it first (approval {id}). Ask the person you \
         work for to decide on it with `keyway call allow {id}`, then repeat the call unchanged."
    );
    said(&words, "APPROVAL_PENDING")
}

fn said(words: &str, code: &str) -> CallToolResult {
    let words = keyway_host::text::printable_lines(words);
    let mut result = CallToolResult::error(vec![ContentBlock::text(words)]);
    let code = ("dev.keyway/code".to_owned(), json!(code));
    result.meta = Some(MetaObject(Map::from_iter([code])));
    result
}
