//! The client that the official conformance suite is pointed at: keyway's own, doing what each
//! scenario wants. The suite appends the server's address.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example prints, and fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use keyway_mcp::{
    Answerable, Answers, Authorizer, CallOptions, Connection, Era, McpClient, McpServer,
    OAuthClient, Question,
};
use keyway_plugin_api::serde_json::{Map, Value, json};
use keyway_plugin_api::{PluginId, async_trait};

/// Answers every question: forms with their defaults.
struct Everybody;

#[async_trait]
impl Answers for Everybody {
    fn answerable(&self) -> Answerable {
        Answerable {
            elicitation: true,
            roots: true,
            sampling: true,
        }
    }

    async fn answer(&self, _: &PluginId, question: Question) -> Result<Value, String> {
        Ok(match question {
            Question::Elicit(params) => json!({"action": "accept", "content": defaults(&params)}),
            Question::ListRoots => json!({"roots": [{"uri": "file:///tmp", "name": "tmp"}]}),
            Question::Sample(_) => {
                json!({"role": "assistant", "model": "mock-model", "stopReason": "endTurn",
                "content": {"type": "text", "text": "This is a mock answer."}})
            }
            _ => return Err("an unknown question".to_owned()),
        })
    }
}

fn defaults(params: &Value) -> Value {
    let properties = params["requestedSchema"]["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let value = |schema: &Value| match schema.get("default") {
        Some(default) => Some(default.clone()),
        None if params["requestedSchema"]["required"].is_array() => {
            Some(match schema["type"].as_str() {
                Some("boolean") => json!(true),
                Some("integer" | "number") => json!(1),
                _ => json!("test"),
            })
        }
        None => None,
    };
    let filled = properties
        .iter()
        .filter_map(|(name, schema)| Some((name.clone(), value(schema)?)));
    Value::Object(filled.collect())
}

/// Goes through the authorization page without a person: the suite's pages lead on at once.
struct Headless;

#[async_trait]
impl Authorizer for Headless {
    async fn authorize(&self, page: &str) -> Result<String, String> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let answer = client
            .map_err(|e| e.to_string())?
            .get(page)
            .send()
            .await
            .map_err(|e| e.to_string())?;
        let led_to = answer
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok());
        led_to
            .map(str::to_owned)
            .ok_or_else(|| "the page led nowhere".to_owned())
    }
}

fn oauth(context: &Value) -> OAuthClient {
    let client = OAuthClient::new("http://localhost:3000/callback", Headless)
        .document("https://conformance-test.local/client-metadata.json");
    match context["client_id"].as_str() {
        Some(id) => client.registered(id, context["client_secret"].as_str().map(str::to_owned)),
        None => client,
    }
}

/// Makes up arguments for a tool.
fn arguments(tool: &Value) -> Value {
    let schema = &tool["inputSchema"];
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut made = Map::new();
    for name in required.iter().filter_map(Value::as_str) {
        let value = match schema["properties"][name]["type"].as_str() {
            Some("number" | "integer") => json!(1),
            Some("boolean") => json!(true),
            _ => json!("test"),
        };
        made.insert(name.to_owned(), value);
    }
    Value::Object(made)
}

async fn call_all(client: &McpClient, context: &Value) -> Result<(), Box<dyn std::error::Error>> {
    let tools = client.list_tools().await?;
    println!("{} tools", tools.len());
    let wanted = context["toolCalls"].as_array().cloned().unwrap_or_default();
    let reading = keyway_mcp::read_tools(
        &McpServer::http("conformance", "https://example.com/mcp")?,
        &tools,
    );
    let is_fit = |name: &str| {
        reading
            .tools
            .iter()
            .any(|tool| tool.descriptor.name.as_str() == name)
    };
    let calls: Vec<(String, Value)> = match wanted.is_empty() {
        true => tools
            .iter()
            .map(|t| {
                (
                    t["name"].as_str().unwrap_or_default().to_owned(),
                    arguments(t),
                )
            })
            .collect(),
        false => wanted
            .iter()
            .map(|c| {
                (
                    c["name"].as_str().unwrap_or_default().to_owned(),
                    c["arguments"].clone(),
                )
            })
            .collect(),
    };
    for (name, arguments) in calls.into_iter().filter(|(name, _)| is_fit(name)) {
        let options = CallOptions::within(Duration::from_secs(20));
        match client.call(&name, arguments, options).await {
            Ok(reply) => println!("{name}: {}", json!(reply.content)),
            Err(error) => println!("{name}: {error}"),
        }
    }
    Ok(())
}

async fn run(url: &str, scenario: &str) -> Result<(), Box<dyn std::error::Error>> {
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let context: Value = serde_json::from_str(&context).unwrap_or_default();
    let server = McpServer::http("conformance", url)?;
    let mut connection = Connection::to(&server)
        .answers(Arc::new(Everybody))
        .introduce("keyway-conformance-client", "1.0.0");
    if scenario.starts_with("auth/") {
        connection = connection.oauth(oauth(&context));
    }
    let version = std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").unwrap_or_default();
    if version == "2025-11-25" {
        connection = connection.era(Era::Legacy);
    }
    let client = connection.open().await?;
    println!("speaks {}", client.facts().protocol);
    call_all(&client, &context).await?;
    if scenario == "auth/authorization-server-migration" {
        call_all(&client, &context).await?;
    }
    client.close().await;
    Ok(())
}

#[tokio::main]
async fn main() {
    let url = std::env::args().next_back().unwrap();
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    if let Err(error) = run(&url, &scenario).await {
        println!("{scenario}: {error}");
        std::process::exit(1);
    }
}
