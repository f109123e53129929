//! The chat-completions format: what is asked, and the pieces an answer comes in.

use keyway_host::model::ModelTools;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Conversation, Message, ModelTurn, ToolCall};

/// How much of one tool result a model is told, in characters.
const RESULT_MAX: usize = 30_000;
/// Most calls taken from one answer.
const CALLS_MAX: usize = 64;

/// Writes the body of a request.
pub(super) fn request(
    model: &str,
    conversation: &Conversation,
    tools: &ModelTools,
    stream: bool,
) -> Value {
    let messages: Vec<Value> = conversation
        .messages
        .iter()
        .map(|m| message(m, tools))
        .collect();
    let mut body = json!({ "model": model, "messages": messages, "stream": stream });
    if !tools.tools().is_empty() {
        body["tools"] = tools.to_json();
    }
    body
}

fn message(message: &Message, tools: &ModelTools) -> Value {
    match message {
        Message::Assistant(turn) => assistant(turn, tools),
        Message::System(text) => json!({ "role": "system", "content": text }),
        Message::Tool(result) => json!({
            "role": "tool",
            "tool_call_id": result.call,
            "content": result_text(&result.content),
        }),
        Message::User(text) => json!({ "role": "user", "content": text }),
    }
}

/// Writes a result as text, cut where it would crowd everything else out of the model's memory.
fn result_text(content: &Value) -> String {
    let text = match content {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(RESULT_MAX) {
        Some((end, _)) => format!("{}… (cut: ask for less)", &text[..end]),
        None => text,
    }
}

fn assistant(turn: &ModelTurn, tools: &ModelTools) -> Value {
    let mut message = json!({ "role": "assistant", "content": turn.text });
    let calls: Vec<Value> = turn
        .calls
        .iter()
        .map(|call| {
            json!({ "id": call.id, "type": "function", "function": {
                "name": tools.wire_name(&call.tool),
                "arguments": call.arguments,
            } })
        })
        .collect();
    if !calls.is_empty() {
        message["tool_calls"] = Value::Array(calls);
    }
    message
}

/// One event of a stream, or a whole answer: both have the same outer form.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(alias = "message")]
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Deserialize)]
struct CallDelta {
    index: Option<u64>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<Arguments>,
}

/// The API says text; some servers send the object itself.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Arguments {
    Text(String),
    Object(Value),
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finish {
    Filtered,
    Length,
    Said,
}

/// Puts the pieces of an answer together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    text: String,
    refusal: String,
    calls: Vec<Partial>,
    finish: Option<Finish>,
}

#[derive(Debug)]
struct Partial {
    index: Option<u64>,
    call: ToolCall,
}

/// Says that a piece does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChunkError {
    /// It is not what the API promises.
    Malformed(String),
    /// The server reports an error inside the answer.
    Reported(String),
}

impl Assembler {
    /// Takes the JSON of one event or of a whole answer; returns the new text in it.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub(super) fn take(&mut self, json: &str) -> Result<String, ChunkError> {
        let chunk: Chunk =
            serde_json::from_str(json).map_err(|e| ChunkError::Malformed(e.to_string()))?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(ChunkError::Reported(error_text(&error)));
        }
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(String::new()); // a usage report at the end, or a sign of life
        };
        self.finish = choice
            .finish_reason
            .as_deref()
            .map(finish)
            .or(self.finish.take());
        match choice.delta {
            Some(delta) => self.add(delta),
            None => Ok(String::new()),
        }
    }

    fn add(&mut self, delta: Delta) -> Result<String, ChunkError> {
        for call in delta.tool_calls.into_iter().flatten() {
            self.add_call(call)?;
        }
        self.refusal += &delta.refusal.unwrap_or_default();
        let text = delta.content.unwrap_or_default();
        self.text += &text;
        Ok(text)
    }

    fn add_call(&mut self, delta: CallDelta) -> Result<(), ChunkError> {
        let function = delta.function.unwrap_or_default();
        let id = delta.id.filter(|id| !id.is_empty());
        let at = match self.position(delta.index, id.as_deref()) {
            Some(at) => at,
            None => self.open(delta.index)?,
        };
        let call = &mut self.calls[at].call;
        if let Some(id) = id {
            call.id = id;
        }
        // Names come whole; a server that repeats one on every piece must not double it.
        if let Some(name) = function.name.filter(|name| !name.is_empty()) {
            call.tool = name;
        }
        match function.arguments {
            Some(Arguments::Text(text)) => call.arguments += &text,
            Some(Arguments::Object(value)) if !value.is_null() => {
                call.arguments = value.to_string()
            }
            Some(Arguments::Object(_)) | None => {}
        }
        Ok(())
    }

    /// Finds the call a piece continues: by index, and where a server leaves that out by id.
    fn position(&self, index: Option<u64>, id: Option<&str>) -> Option<usize> {
        if index.is_some() {
            return self.calls.iter().position(|partial| partial.index == index);
        }
        match id {
            Some(id) => self.calls.iter().position(|partial| partial.call.id == id),
            None => self.calls.len().checked_sub(1),
        }
    }

    fn open(&mut self, index: Option<u64>) -> Result<usize, ChunkError> {
        if self.calls.len() >= CALLS_MAX {
            let problem = format!("more than {CALLS_MAX} tool calls in one answer");
            return Err(ChunkError::Malformed(problem));
        }
        let call = ToolCall {
            id: String::new(),
            tool: String::new(),
            arguments: String::new(),
        };
        self.calls.push(Partial { index, call });
        Ok(self.calls.len() - 1)
    }

    /// Returns why the answer ended, once it has said so.
    pub(super) fn finish_reason(&self) -> Option<&Finish> {
        self.finish.as_ref()
    }

    /// Returns what the model said when it refused.
    pub(super) fn refusal(&self) -> Option<&str> {
        (!self.refusal.is_empty()).then_some(self.refusal.as_str())
    }

    /// Gives the answer, its tools under their canonical names.
    ///
    /// # Errors
    /// [`ChunkError::Malformed`] when a call has no name.
    pub(super) fn into_turn(self, tools: &ModelTools) -> Result<ModelTurn, ChunkError> {
        let mut calls = Vec::with_capacity(self.calls.len());
        for (position, partial) in self.calls.into_iter().enumerate() {
            calls.push(completed(partial.call, position, tools)?);
        }
        let text = self.text;
        Ok(ModelTurn { text, calls })
    }
}

fn completed(
    mut call: ToolCall,
    position: usize,
    tools: &ModelTools,
) -> Result<ToolCall, ChunkError> {
    if call.tool.is_empty() {
        let problem = format!("tool call {} has no name", position + 1);
        return Err(ChunkError::Malformed(problem));
    }
    let said = tools.call(None, &call.tool, &call.arguments);
    (call.tool, call.arguments) = (said.tool, said.arguments);
    if call.id.is_empty() {
        call.id = format!("call_{position}");
    }
    Ok(call)
}

fn finish(reason: &str) -> Finish {
    match reason {
        "content_filter" => Finish::Filtered,
        "length" => Finish::Length,
        _ => Finish::Said,
    }
}

/// Finds the sentence in an error body: `{error: {message}}`, `{error}`, `{message}`, `{detail}`.
pub(super) fn error_text(error: &Value) -> String {
    let inner = error.get("error").unwrap_or(error);
    let sentence = [Some(inner), inner.get("message"), inner.get("detail")]
        .into_iter()
        .flatten()
        .find_map(Value::as_str);
    sentence.map_or_else(|| inner.to_string(), str::to_owned)
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
