//! The tool calls in what a model answered.

use serde_json::Value;

use super::{ModelApi, ModelTools};

/// Most calls taken from one answer.
const CALLS_MAX: usize = 256;

/// One call that a model wants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelCall {
    /// The model's name for this call, where it gave one.
    pub id: Option<String>,
    /// The tool's name, as the model said it.
    pub name: String,
    /// The canonical name for [`View::call`](crate::view::View::call); what the model said where
    /// no such tool was offered, so that the call is answered with `UNKNOWN_TOOL`.
    pub tool: String,
    /// Whether the tool was offered.
    pub is_offered: bool,
    /// The arguments as JSON text. Where the model wrote no JSON, what it wrote: the host answers
    /// that with what is wrong.
    pub arguments: String,
}

/// Says why the calls of an answer could not be read. The model's endpoint is at fault, or the
/// answer is not one of this API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A call names no tool.
    #[error("tool call {position} has no name")]
    NoName {
        /// Which one, from 1.
        position: usize,
    },
    /// The value is no answer of this API.
    #[error("no answer of this model API: expected {expected}")]
    NotAnAnswer {
        /// Where calls were looked for.
        expected: &'static str,
    },
    /// There are more calls than anybody means.
    #[error("the answer has {count} tool calls, {limit} are taken")]
    TooManyCalls {
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

impl AnswerError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoName { .. } => "TOOL_CALL_UNNAMED",
            Self::NotAnAnswer { .. } => "ANSWER_MALFORMED",
            Self::TooManyCalls { .. } => "TOO_MANY_TOOL_CALLS",
        }
    }
}

impl ModelTools {
    /// Finds the tool calls in an answer, in its order; none where the model only talks.
    ///
    /// Takes the whole answer or its message: for Anthropic what has `content`; for Chat
    /// Completions what has `choices` or `tool_calls`; for Responses what has `output`, or that
    /// list; for Gemini what has `candidates`, or a `content` with `parts`.
    ///
    /// # Errors
    /// [`AnswerError`] when the value is no answer of this API, when a call has no name, when
    /// there are more than 256.
    pub fn calls(&self, answer: &Value) -> Result<Vec<ModelCall>, AnswerError> {
        let raw = match self.api {
            ModelApi::Anthropic => anthropic(answer),
            ModelApi::Gemini => gemini(answer),
            ModelApi::OpenAi => chat(answer),
            ModelApi::OpenAiResponses => responses(answer),
        }?;
        if raw.len() > CALLS_MAX {
            let (count, limit) = (raw.len(), CALLS_MAX);
            return Err(AnswerError::TooManyCalls { count, limit });
        }
        let each = raw.into_iter().enumerate();
        each.map(|(i, raw)| self.completed(&raw, i + 1)).collect()
    }

    fn completed(&self, raw: &RawCall<'_>, position: usize) -> Result<ModelCall, AnswerError> {
        let name = raw.name.and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            return Err(AnswerError::NoName { position });
        }
        let id = raw.id.and_then(Value::as_str).map(str::to_owned);
        let arguments = match raw.arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        Ok(self.call(id, name, &arguments))
    }

    /// Completes one call from its parts, for a runtime that puts them together from a stream.
    /// Arguments that are blank are no arguments: `{}`.
    #[must_use]
    pub fn call(&self, id: Option<String>, name: &str, arguments: &str) -> ModelCall {
        let tool = self.tool(name);
        let arguments = if arguments.trim().is_empty() {
            "{}".to_owned()
        } else {
            let without = tool.and_then(|tool| without_nulls(tool, arguments));
            without.unwrap_or_else(|| arguments.to_owned())
        };
        ModelCall {
            id,
            name: name.to_owned(),
            tool: tool.map_or(name, |tool| &tool.tool_id).to_owned(),
            is_offered: tool.is_some(),
            arguments,
        }
    }
}

/// Takes the nulls out that mean "absent"; nothing where there are none.
fn without_nulls(tool: &super::ProjectedTool, arguments: &str) -> Option<String> {
    if tool.nulls.is_empty() || !arguments.contains("null") {
        return None;
    }
    let mut value = serde_json::from_str(arguments).ok()?;
    tool.nulls.take_out(&mut value).then(|| value.to_string())
}

/// A call's parts, as they stand in the answer.
struct RawCall<'a> {
    id: Option<&'a Value>,
    name: Option<&'a Value>,
    arguments: Option<&'a Value>,
}

type Raw<'a> = Result<Vec<RawCall<'a>>, AnswerError>;

fn anthropic(answer: &Value) -> Raw<'_> {
    let expected = "`content`, a list of blocks or a text";
    let blocks = match answer.get("content") {
        Some(Value::Array(blocks)) => blocks.as_slice(),
        Some(Value::String(_)) => &[],
        _ => return Err(AnswerError::NotAnAnswer { expected }),
    };
    let uses = blocks.iter().filter(|block| is_type(block, "tool_use"));
    Ok(uses.map(|block| raw(block, "id", "input")).collect())
}

fn chat(answer: &Value) -> Raw<'_> {
    let expected = "`choices[0].message`, or a message with a `role`";
    let message = answer.pointer("/choices/0/message").unwrap_or(answer);
    if message.get("role").is_none() && message.get("tool_calls").is_none() {
        return Err(AnswerError::NotAnAnswer { expected });
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let calls = calls.into_iter().flatten().map(|call| RawCall {
        id: call.get("id"),
        name: call.pointer("/function/name"),
        arguments: call.pointer("/function/arguments"),
    });
    Ok(calls.collect())
}

fn responses(answer: &Value) -> Raw<'_> {
    let expected = "`output`, a list of items";
    let items = answer.get("output").unwrap_or(answer).as_array();
    let items = items.ok_or(AnswerError::NotAnAnswer { expected })?;
    let calls = items.iter().filter(|item| is_type(item, "function_call"));
    Ok(calls
        .map(|item| raw(item, "call_id", "arguments"))
        .collect())
}

fn gemini(answer: &Value) -> Raw<'_> {
    let expected = "`candidates[0].content`, or a content with `parts`";
    let content = answer.pointer("/candidates/0/content");
    let content = content.or_else(|| answer.get("content")).unwrap_or(answer);
    let is_answer = content.get("parts").is_some() || content.get("role").is_some();
    if !is_answer {
        return Err(AnswerError::NotAnAnswer { expected });
    }
    let parts = content.get("parts").and_then(Value::as_array);
    let calls = parts
        .into_iter()
        .flatten()
        .filter_map(|part| part.get("functionCall"));
    Ok(calls.map(|call| raw(call, "id", "args")).collect())
}

fn raw<'a>(call: &'a Value, id: &str, arguments: &str) -> RawCall<'a> {
    RawCall {
        id: call.get(id),
        name: call.get("name"),
        arguments: call.get(arguments),
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    value.get("type").and_then(Value::as_str) == Some(name)
}
