//! The shapes of the `tools` of each API.

use serde_json::{Value, json};

use super::ModelApi;

/// Makes one tool's entry. A strict form is named where an API has one.
pub(super) fn entry(
    api: ModelApi,
    (name, description): (&str, &str),
    schema: &Value,
    is_strict: bool,
) -> Value {
    match api {
        ModelApi::Anthropic => {
            let mut entry = json!({
                "name": name, "description": description, "input_schema": schema,
            });
            // Left out where it is false: platforms that serve this API know it since later.
            if is_strict {
                entry["strict"] = Value::Bool(true);
            }
            entry
        }
        ModelApi::Gemini => json!({
            "name": name, "description": description, "parametersJsonSchema": schema,
        }),
        ModelApi::OpenAi => json!({ "type": "function", "function": {
            "name": name, "description": description, "parameters": schema, "strict": is_strict,
        } }),
        ModelApi::OpenAiResponses => json!({
            "type": "function", "name": name, "description": description, "parameters": schema,
            "strict": is_strict,
        }),
    }
}

/// Returns the schema that an entry holds.
pub(super) fn schema_of(entry: &Value) -> &Value {
    const NOTHING: &Value = &Value::Null;
    let inner = entry.get("function").unwrap_or(entry);
    let schema = ["input_schema", "parameters", "parametersJsonSchema"]
        .into_iter()
        .find_map(|member| inner.get(member));
    schema.unwrap_or(NOTHING)
}

/// Makes the `tools` of a request.
pub(super) fn tools(api: ModelApi, entries: Value) -> Value {
    match api {
        ModelApi::Gemini => json!([{ "functionDeclarations": entries }]),
        ModelApi::Anthropic | ModelApi::OpenAi | ModelApi::OpenAiResponses => entries,
    }
}
