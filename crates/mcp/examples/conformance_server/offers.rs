//! The resources, prompts and completions of the suite.

use keyway_host::view::View;
use keyway_mcp::{Completions, Refusal, ServedCall, ServedPrompts, ServedResources};
use keyway_plugin_api::async_trait;
use keyway_plugin_api::serde_json::{Map, Value, json};

use crate::{IMAGE, form};

pub(crate) struct Resources;

#[async_trait]
impl ServedResources for Resources {
    async fn list(&self, _: &View) -> Vec<Value> {
        vec![
            json!({"uri": "test://static-text", "name": "static-text", "title": "Static Text", "description": "A text.", "mimeType": "text/plain"}),
            json!({"uri": "test://static-binary", "name": "static-binary", "description": "A picture.", "mimeType": "image/png"}),
            json!({"uri": "test://watched-resource", "name": "watched-resource", "description": "It changes.", "mimeType": "text/plain"}),
        ]
    }

    async fn templates(&self, _: &View) -> Vec<Value> {
        vec![
            json!({"uriTemplate": "test://template/{id}/data", "name": "template", "description": "Data by id.", "mimeType": "application/json"}),
        ]
    }

    async fn read(&self, _: &View, uri: &str) -> Result<Vec<Value>, Refusal> {
        let id = uri
            .strip_prefix("test://template/")
            .and_then(|rest| rest.strip_suffix("/data"));
        match (uri, id) {
            ("test://static-text", _) => Ok(vec![
                json!({"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."}),
            ]),
            ("test://watched-resource", _) => Ok(vec![
                json!({"uri": uri, "mimeType": "text/plain", "text": "Watched."}),
            ]),
            ("test://static-binary", _) => Ok(vec![
                json!({"uri": uri, "mimeType": "image/png", "blob": IMAGE}),
            ]),
            (_, Some(id)) => {
                let data =
                    json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
                Ok(vec![
                    json!({"uri": uri, "mimeType": "application/json", "text": data.to_string()}),
                ])
            }
            _ => Err(Refusal::Unknown),
        }
    }
}

pub(crate) struct Prompts;

#[async_trait]
impl ServedPrompts for Prompts {
    async fn list(&self, _: &View) -> Vec<Value> {
        let argument =
            |name: &str| json!({"name": name, "description": "An argument.", "required": true});
        vec![
            json!({"name": "test_simple_prompt", "description": "A prompt without arguments."}),
            json!({"name": "test_prompt_with_arguments", "description": "A prompt with two.", "arguments": [argument("arg1"), argument("arg2")]}),
            json!({"name": "test_prompt_with_embedded_resource", "description": "Holds a resource.", "arguments": [argument("resourceUri")]}),
            json!({"name": "test_prompt_with_image", "description": "Holds a picture."}),
            json!({"name": "test_input_required_result_prompt", "description": "Asks first."}),
        ]
    }

    async fn get(
        &self,
        _: &View,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Value, Refusal> {
        let argument = |name: &str| {
            arguments
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let user = |content: Value| json!({"role": "user", "content": content});
        let text = |text: String| user(json!({"type": "text", "text": text}));
        let messages = match name {
            "test_simple_prompt" => vec![text("This is a simple prompt for testing.".to_owned())],
            "test_prompt_with_arguments" => vec![text(format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1"),
                argument("arg2")
            ))],
            "test_prompt_with_embedded_resource" => vec![
                user(
                    json!({"type": "resource", "resource": {"uri": argument("resourceUri"),
                    "mimeType": "text/plain", "text": "Embedded resource content for testing."}}),
                ),
                text("Please process the embedded resource above.".to_owned()),
            ],
            "test_prompt_with_image" => vec![
                user(json!({"type": "image", "data": IMAGE, "mimeType": "image/png"})),
                text("Please analyze the image above.".to_owned()),
            ],
            "test_input_required_result_prompt" => {
                let served = ServedCall::current().ok_or(Refusal::Unknown)?;
                let question = form("What context should the prompt use?", "context", "string");
                let answer = served
                    .ask("user_context", question)
                    .await
                    .map_err(|_| Refusal::Asked)?;
                vec![text(format!("Context: {}", answer["content"]["context"]))]
            }
            _ => return Err(Refusal::Unknown),
        };
        Ok(json!({"messages": messages}))
    }
}

#[async_trait]
impl Completions for Prompts {
    async fn complete(&self, _: &View, _: &Value, _: &str, begun: &str) -> Vec<String> {
        let all = ["paris", "park", "party"];
        all.iter()
            .filter(|word| word.starts_with(begun))
            .map(|word| (*word).to_owned())
            .collect()
    }
}
