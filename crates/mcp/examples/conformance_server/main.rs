//! The server that the official conformance suite is pointed at: a keyway host whose own tools are the
//! suite's fixtures, served over HTTP at a port, where it prints its address, or over stdio.
//!
//! ```sh
//! cargo run -p keyway-mcp --example conformance_server -- 3000
//! cargo run -p keyway-mcp --example conformance_server -- stdio
//! ```

#![expect(
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "an example prints, fails by panicking, and has an arm for each fixture"
)]

mod offers;

use std::sync::Arc;
use std::time::Duration;

use keyway_host::Host;
use keyway_host::scope::Scope;
use keyway_mcp::{Announcer, Endpoint, HttpOptions, LogLine, Question, ServedCall};
use keyway_plugin_api::serde_json::{Value, json};
use keyway_plugin_api::{
    Arguments, CallCx, Content, Effect, EffectRequest, Tool, ToolDescriptor, ToolError,
    ToolErrorKind, ToolName, ToolOutput, async_trait,
};

use offers::{Prompts, Resources};

/// A picture of one red dot.
const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A sound of no length.
const AUDIO: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

/// The tools, each with what it does.
const TOOLS: [(&str, &str); 29] = [
    (
        "json_schema_2020_12_tool",
        "Has a schema of the 2020-12 dialect.",
    ),
    ("test_audio_content", "Gives a sound."),
    ("test_elicitation", "Asks the user something."),
    ("test_elicitation_sep1034_defaults", "Asks with defaults."),
    ("test_elicitation_sep1330_enums", "Asks for choices."),
    ("test_embedded_resource", "Gives a resource."),
    ("test_error_handling", "Always fails."),
    ("test_image_content", "Gives a picture."),
    (
        "test_input_required_result_capabilities",
        "Asks what the client can answer.",
    ),
    ("test_input_required_result_elicitation", "Asks for a name."),
    (
        "test_input_required_result_list_roots",
        "Asks for the roots.",
    ),
    ("test_input_required_result_multi_round", "Asks twice."),
    (
        "test_input_required_result_multiple_inputs",
        "Asks three things at once.",
    ),
    (
        "test_input_required_result_request_state",
        "Asks and keeps its state at the client.",
    ),
    ("test_input_required_result_sampling", "Asks a model."),
    (
        "test_input_required_result_tampered_state",
        "Asks and refuses a state that was changed.",
    ),
    ("test_logging_tool", "Writes to the log."),
    ("test_missing_capability", "Needs a model."),
    (
        "test_multiple_content_types",
        "Gives a text, a picture and a resource.",
    ),
    ("test_reconnection", "Takes a moment."),
    ("test_sampling", "Asks a model something."),
    ("test_simple_text", "Gives a text."),
    (
        "test_streaming_elicitation",
        "Asks on the stream of its answer.",
    ),
    ("test_tool_with_logging", "Writes to the log three times."),
    ("test_tool_with_progress", "Says how far it is."),
    (
        "test_trigger_prompt_change",
        "Tells that the prompts changed.",
    ),
    ("test_trigger_tool_change", "Tells that the tools changed."),
    ("test_resource_update", "Tells that a resource changed."),
    (
        "test_client_elicitation_defaults",
        "Asks with defaults, as the client's test does.",
    ),
];

struct Fixture {
    descriptor: ToolDescriptor,
    announcer: Arc<std::sync::OnceLock<Announcer>>,
}

impl Fixture {
    fn new(name: &str, description: &str, announcer: Arc<std::sync::OnceLock<Announcer>>) -> Self {
        let name = ToolName::parse(name).unwrap();
        let schema = schema_of(name.as_str());
        Self {
            descriptor: ToolDescriptor::new(name, description, Effect::Read, schema),
            announcer,
        }
    }
}

fn schema_of(name: &str) -> Value {
    match name {
        "test_sampling" => {
            json!({"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]})
        }
        "test_elicitation" => {
            json!({"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]})
        }
        "json_schema_2020_12_tool" => json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": {"type": "object", "properties": {
                "street": {"type": "string"}, "city": {"type": "string"}}}},
            "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
            "additionalProperties": false,
        }),
        _ => json!({"type": "object", "properties": {}}),
    }
}

type Result<T> = std::result::Result<T, ToolError>;

#[async_trait]
impl Tool for Fixture {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.descriptor
    }

    async fn call(&self, arguments: Arguments<'_>, cx: &CallCx) -> Result<ToolOutput> {
        let name = self.descriptor.name.as_str();
        if name.starts_with("test_input_required") {
            return in_rounds(name).await;
        }
        let arguments: Value = arguments.parse()?;
        match name {
            "test_audio_content" => Ok(ToolOutput::Content(vec![audio()])),
            "test_embedded_resource" => Ok(ToolOutput::Content(vec![resource(
                "test://embedded-resource",
            )])),
            "test_error_handling" => Err(ToolError::internal(
                "This tool intentionally returns an error for testing",
            )),
            "test_image_content" => Ok(ToolOutput::Content(vec![image()])),
            "test_multiple_content_types" => Ok(ToolOutput::Content(vec![
                text("Multiple content types test:"),
                image(),
                resource("test://mixed-content-resource"),
            ])),
            "test_tool_with_logging" | "test_logging_tool" => logs().await,
            "test_tool_with_progress" => progress(cx).await,
            "test_reconnection" => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(ToolOutput::text("Reconnection test completed"))
            }
            "test_sampling" | "test_missing_capability" => sample(&arguments).await,
            "test_trigger_prompt_change" | "test_trigger_tool_change" | "test_resource_update" => {
                self.announce(name)
            }
            _ if name.contains("elicitation") => elicit(name, &arguments).await,
            _ => Ok(ToolOutput::text(
                "This is a simple text response for testing.",
            )),
        }
    }
}

impl Fixture {
    fn announce(&self, name: &str) -> Result<ToolOutput> {
        let announcer = self
            .announcer
            .get()
            .ok_or_else(|| ToolError::internal("not served yet"))?;
        match name {
            "test_trigger_prompt_change" => announcer.prompts_changed(),
            "test_trigger_tool_change" => announcer.tools_changed(),
            _ => announcer.resource_changed("test://watched-resource"),
        }
        Ok(ToolOutput::text("changed"))
    }
}

fn text(text: &str) -> Content {
    Content::Text {
        text: text.to_owned(),
    }
}

fn image() -> Content {
    Content::Image {
        data: IMAGE.to_owned(),
        mime_type: "image/png".to_owned(),
    }
}

fn audio() -> Content {
    Content::Audio {
        data: AUDIO.to_owned(),
        mime_type: "audio/wav".to_owned(),
    }
}

fn resource(uri: &str) -> Content {
    Content::Resource {
        resource: json!({"uri": uri, "mimeType": "text/plain", "text": "This is an embedded resource content."}),
    }
}

fn served() -> Result<ServedCall> {
    ServedCall::current()
        .ok_or_else(|| ToolError::new(ToolErrorKind::Unavailable, "no client asked"))
}

async fn logs() -> Result<ToolOutput> {
    let served = served()?;
    for line in [
        "Tool execution started",
        "Tool processing data",
        "Tool execution completed",
    ] {
        served.log(LogLine::new("info", line)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(ToolOutput::text("Logging test completed"))
}

async fn progress(cx: &CallCx) -> Result<ToolOutput> {
    for done in [0, 50, 100] {
        let message = Some(format!("Completed step {done} of 100"));
        let report = EffectRequest::Progress {
            done,
            total: Some(100),
            message,
        };
        drop(cx.perform(report).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(ToolOutput::text("Progress test completed"))
}

async fn sample(arguments: &Value) -> Result<ToolOutput> {
    let prompt = arguments["prompt"].as_str().unwrap_or("Hello");
    let answer = served()?.ask("sample", sampling(prompt, 100)).await?;
    Ok(ToolOutput::text(format!(
        "LLM response: {}",
        answer["content"]
    )))
}

fn sampling(prompt: &str, most: u32) -> Question {
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    Question::Sample(json!({"messages": [message], "maxTokens": most}))
}

async fn elicit(name: &str, arguments: &Value) -> Result<ToolOutput> {
    let schema = match name {
        "test_elicitation_sep1330_enums" => enums(),
        "test_elicitation_sep1034_defaults" | "test_client_elicitation_defaults" => defaults(),
        _ => json!({"type": "object", "properties": {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        }, "required": ["username", "email"]}),
    };
    let message = arguments["message"]
        .as_str()
        .unwrap_or("Please say something");
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    let answer = served()?.ask("form", Question::Elicit(params)).await?;
    let words = format!(
        "Elicitation completed: action={}, content={}",
        answer["action"].as_str().unwrap_or(""),
        answer["content"]
    );
    Ok(ToolOutput::text(words))
}

fn defaults() -> Value {
    json!({"type": "object", "properties": {
        "name": {"type": "string", "description": "User's name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User's age", "default": 30},
        "score": {"type": "number", "description": "User's score", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "description": "Verified?", "default": true},
    }})
}

fn enums() -> Value {
    let titled = json!([{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"},
        {"const": "value3", "title": "Third Option"}]);
    json!({"type": "object", "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }})
}

fn form(message: &str, field: &str, kind: &str) -> Question {
    Question::Elicit(
        json!({"mode": "form", "message": message, "requestedSchema": {
        "type": "object", "properties": {field: {"type": kind}}, "required": [field]}}),
    )
}

/// The tools that ask and are called again with the answers.
async fn in_rounds(name: &str) -> Result<ToolOutput> {
    let served = served()?;
    match name.trim_start_matches("test_input_required_result_") {
        "elicitation" => {
            let answer = served
                .ask("user_name", form("What is your name?", "name", "string"))
                .await?;
            let name = answer["content"]["name"].as_str().unwrap_or("nobody");
            Ok(ToolOutput::text(format!("Hello, {name}!")))
        }
        "sampling" => {
            let answer = served
                .ask(
                    "capital_question",
                    sampling("What is the capital of France?", 100),
                )
                .await?;
            Ok(ToolOutput::text(answer["content"].to_string()))
        }
        "list_roots" => {
            let answer = served.ask("client_roots", Question::ListRoots).await?;
            Ok(ToolOutput::text(answer["roots"].to_string()))
        }
        "multi_round" => {
            let name = served
                .ask(
                    "step1",
                    form("Step 1: What is your name?", "name", "string"),
                )
                .await?;
            let color = served
                .ask(
                    "step2",
                    form("Step 2: What is your favorite color?", "color", "string"),
                )
                .await?;
            Ok(ToolOutput::text(format!(
                "{} likes {}",
                name["content"]["name"], color["content"]["color"]
            )))
        }
        "multiple_inputs" => {
            let name = served
                .ask("user_name", form("What is your name?", "name", "string"))
                .await;
            let greeting = served
                .ask("greeting", sampling("Generate a greeting", 50))
                .await;
            let roots = served.ask("client_roots", Question::ListRoots).await;
            Ok(ToolOutput::text(format!(
                "{} {} {}",
                name?, greeting?, roots?
            )))
        }
        "capabilities" => {
            let offers = served.answerable();
            if offers.sampling {
                served.ask("sample", sampling("Say something", 50)).await?;
            }
            if offers.elicitation {
                served
                    .ask("form", form("Say something", "words", "string"))
                    .await?;
            }
            Ok(ToolOutput::text("asked what the client can answer"))
        }
        _ => {
            served
                .ask("confirm", form("Please confirm", "ok", "boolean"))
                .await?;
            Ok(ToolOutput::text("state-ok"))
        }
    }
}

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).unwrap_or_else(|| "0".to_owned());
    let announcer: Arc<std::sync::OnceLock<Announcer>> = Arc::default();
    let mut builder = Host::builder("keyway-conformance", "1.0.0");
    for (name, description) in TOOLS {
        builder = builder.tool(Fixture::new(name, description, Arc::clone(&announcer)));
    }
    let host = Arc::new(builder.build().unwrap());
    host.start().await;
    let endpoint = Endpoint::new(host, Scope::everywhere())
        .resources(Resources)
        .prompts(Prompts)
        .completions(Prompts);
    announcer.set(endpoint.announcer()).unwrap();
    if port == "stdio" {
        endpoint.serve_stdio().await.unwrap();
        return;
    }
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    println!("http://{}/mcp", listener.local_addr().unwrap());
    endpoint
        .http(HttpOptions::new())
        .serve(listener, std::future::pending())
        .await
        .unwrap();
}
