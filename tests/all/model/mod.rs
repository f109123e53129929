//! Behaviour of: one tool, every model API.

mod calls;
mod hosted;
mod names;
mod odd;
mod oracle;
mod rules;
mod schemas;
mod strict;

use keyway_host::model::{ModelApi, ModelTools, ProjectedTool};
use keyway_plugin_api::{Effect, ToolDescriptor};
use serde_json::Value;

const APIS: [ModelApi; 4] = [
    ModelApi::Anthropic,
    ModelApi::Gemini,
    ModelApi::OpenAi,
    ModelApi::OpenAiResponses,
];

#[track_caller]
fn descriptor(schema: Value) -> ToolDescriptor {
    let name = "do".parse().unwrap();
    ToolDescriptor::new(name, "Does it.", Effect::Read, schema)
}

/// The tools of one request with one tool, `plug/do`.
#[track_caller]
fn one(api: ModelApi, schema: Value) -> ModelTools {
    ModelTools::of(api, [("plug/do", &descriptor(schema))])
}

/// That tool, as it is sent.
#[track_caller]
fn projected(api: ModelApi, schema: Value) -> ProjectedTool {
    let tools = one(api, schema);
    match tools.tools() {
        [tool] => tool.clone(),
        _ => panic!("left out: {:?}", tools.left_out()),
    }
}

/// What is lost of it, in words.
fn losses(tool: &ProjectedTool) -> Vec<String> {
    tool.losses.iter().map(ToString::to_string).collect()
}
