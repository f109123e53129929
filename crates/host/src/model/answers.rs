//! What came of a call, in the form in which each API is told.

use keyway_plugin_api::{Content, ToolOutput};
use serde_json::{Value, json};

use super::{ModelApi, ModelCall, ModelTools};
use crate::invoke::{CallError, Outcome};

/// What a model is told of a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Told {
    /// The result, or `{"error": {"code", "message", "retryable"}}`.
    pub output: ToolOutput,
    /// Whether the call gave no result.
    pub is_error: bool,
}

impl Told {
    /// Returns what is told as one JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.output.to_value()
    }

    fn error(code: &str, message: &str, is_retryable: bool) -> Self {
        let error = json!({ "error": {
            "code": code, "message": message, "retryable": is_retryable,
        } });
        Self {
            output: ToolOutput::json(&error).unwrap_or(ToolOutput::Empty),
            is_error: true,
        }
    }
}

/// Turns what came of a call into what a model is told.
pub trait IntoTold {
    /// Says it in words for a model.
    fn told(&self) -> Told;
}

impl IntoTold for Result<Outcome, CallError> {
    fn told(&self) -> Told {
        match self {
            Ok(Outcome::Done(output)) => Told {
                output: output.clone(),
                is_error: false,
            },
            Ok(Outcome::NeedsApproval(_)) => Told::error(
                "NEEDS_APPROVAL",
                "an operator has to approve this call first; go on without it",
                false,
            ),
            Err(error) => Told::error(error.code(), &error.to_string(), error.is_retryable()),
        }
    }
}

impl ModelTools {
    /// Shapes what came of a call: an Anthropic `tool_result` block, a Chat Completions message of
    /// role `tool`, a Responses `function_call_output` item, a Gemini part.
    ///
    /// Pictures go to Anthropic and to Responses as pictures; elsewhere a line stands for them.
    ///
    /// ```
    /// use keyway_host::model::{IntoTold, ModelApi, ModelTools};
    /// use keyway_host::{CallError, Outcome};
    /// use keyway_plugin_api::ToolOutput;
    /// use serde_json::json;
    ///
    /// let tools = ModelTools::of(ModelApi::Anthropic, []);
    /// let call = tools.call(Some("toolu_1".into()), "a__b", "{}");
    /// let result: Result<Outcome, CallError> = Ok(Outcome::Done(ToolOutput::text("pong")));
    /// let block = tools.answer(&call, &result.told());
    /// let expected = json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": "pong"});
    /// assert_eq!(block, expected);
    /// ```
    #[must_use]
    pub fn answer(&self, call: &ModelCall, told: &Told) -> Value {
        let id = call.id.as_deref().unwrap_or_default();
        match self.api {
            ModelApi::Anthropic => anthropic(id, told),
            ModelApi::Gemini => gemini(call, told),
            ModelApi::OpenAi => json!({
                "role": "tool", "tool_call_id": id, "content": text_of(&told.output),
            }),
            ModelApi::OpenAiResponses => json!({
                "type": "function_call_output", "call_id": id, "output": responses(&told.output),
            }),
        }
    }
}

fn anthropic(id: &str, told: &Told) -> Value {
    let content = match &told.output {
        ToolOutput::Content(parts) => parts.iter().map(anthropic_block).collect(),
        other => Value::String(text_of(other)),
    };
    let mut block = json!({ "type": "tool_result", "tool_use_id": id });
    // An empty text is refused as a block, and no content is fine.
    if content != json!("") && content != json!([]) {
        block["content"] = content;
    }
    if told.is_error {
        block["is_error"] = Value::Bool(true);
    }
    block
}

fn anthropic_block(part: &Content) -> Value {
    match part {
        Content::Image { data, mime_type } => json!({ "type": "image", "source": {
            "type": "base64", "media_type": mime_type, "data": data,
        } }),
        other => json!({ "type": "text", "text": line_of(other) }),
    }
}

fn responses(output: &ToolOutput) -> Value {
    let ToolOutput::Content(parts) = output else {
        return Value::String(text_of(output));
    };
    let item = |part: &Content| match part {
        Content::Image { data, mime_type } => json!({
            "type": "input_image", "image_url": format!("data:{mime_type};base64,{data}"),
        }),
        other => json!({ "type": "input_text", "text": line_of(other) }),
    };
    parts.iter().map(item).collect()
}

fn gemini(call: &ModelCall, told: &Told) -> Value {
    let value = match &told.output {
        ToolOutput::Content(_) => Value::String(text_of(&told.output)),
        other => other.to_value(),
    };
    // The API wants an object, and knows these two members.
    let response = if told.is_error {
        json!({ "error": value.get("error").unwrap_or(&value) })
    } else {
        json!({ "output": value })
    };
    let mut body = json!({ "name": call.name, "response": response });
    if let Some(id) = &call.id {
        body["id"] = Value::String(id.clone());
    }
    json!({ "functionResponse": body })
}

fn text_of(output: &ToolOutput) -> String {
    match output {
        ToolOutput::Content(parts) => {
            let lines: Vec<String> = parts.iter().map(line_of).collect();
            lines.join("\n")
        }
        ToolOutput::Empty => String::new(),
        ToolOutput::Text(text) => text.clone(),
        other => match other.to_value() {
            Value::String(text) => text,
            value => value.to_string(),
        },
    }
}

/// Writes a part as text; what is none is named, not copied.
fn line_of(part: &Content) -> String {
    match part {
        Content::Text { text } => text.clone(),
        Content::Image { mime_type, .. } => format!("[a picture, {mime_type}]"),
        Content::Audio { mime_type, .. } => format!("[a sound, {mime_type}]"),
        Content::Resource { resource } => resource.to_string(),
        Content::ResourceLink { uri, name, .. } => format!("[{name}]({uri})"),
        _ => "[something this version cannot show]".to_owned(),
    }
}
