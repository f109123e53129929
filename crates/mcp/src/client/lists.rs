//! What a server offers: tools, resources, templates, prompts, completions.

use rmcp::model::{
    ClientRequest, CompleteRequest, GetPromptRequest, GetPromptRequestParams, ListPromptsRequest,
    ListResourceTemplatesRequest, ListResourcesRequest, ListToolsRequest, PaginatedRequestParams,
    ReadResourceRequest, ReadResourceRequestParams, ServerResult,
};
use serde_json::{Map, Value, json};

use super::request::send;
use super::{CallOptions, McpClient};
use crate::McpError;

/// Pages of one list; a server that never ends is cut off here.
const PAGES: usize = 100;
/// Entries of one list.
const ENTRIES: usize = 10_000;

impl McpClient {
    /// Lists the tools as the server describes them, each untouched, over all pages.
    ///
    /// # Errors
    /// [`McpError::Protocol`] for a list that is no list or that does not end; otherwise as
    /// [`McpClient::call`].
    pub async fn list_tools(&self) -> Result<Vec<Value>, McpError> {
        let mut tools = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let mut page = self.page_of_tools(cursor).await?;
            let Some(Value::Array(more)) = page.get_mut("tools").map(Value::take) else {
                return Err(self.protocol_error("tools/list gave no list of tools"));
            };
            tools.extend(more);
            if tools.len() > ENTRIES {
                return Err(self.protocol_error(format!("more than {ENTRIES} tools")));
            }
            match next(&page) {
                None => return Ok(tools),
                more => cursor = more,
            }
        }
        Err(self.protocol_error(format!("its list of tools has more than {PAGES} pages")))
    }

    async fn page_of_tools(&self, cursor: Option<String>) -> Result<Value, McpError> {
        let options = CallOptions::default();
        let request =
            || ClientRequest::ListToolsRequest(ListToolsRequest::with_param(page(cursor.clone())));
        let mut has_signed_in = false;
        loop {
            let session = self.0.session.read().await.clone();
            match send(&session, request(), &options).await {
                Ok((id, result)) => {
                    let key = serde_json::to_string(&id).unwrap_or_default();
                    let raw = session.shelf.take(&key);
                    return Ok(
                        raw.unwrap_or_else(|| serde_json::to_value(result).unwrap_or_default())
                    );
                }
                Err(error) => match error.auth_challenge() {
                    Some(challenge) if !has_signed_in => {
                        has_signed_in = true;
                        self.authorize_again(challenge).await?;
                    }
                    _ => return Err(self.explain(&session, "tools/list", &options, error).await),
                },
            }
        }
    }

    /// Lists the resources.
    ///
    /// # Errors
    /// As [`McpClient::list_tools`].
    pub async fn list_resources(&self) -> Result<Vec<Value>, McpError> {
        let request = |cursor| {
            ClientRequest::ListResourcesRequest(ListResourcesRequest::with_param(page(cursor)))
        };
        self.pages("resources/list", "resources", request).await
    }

    /// Lists the templates of resources.
    ///
    /// # Errors
    /// As [`McpClient::list_tools`].
    pub async fn list_resource_templates(&self) -> Result<Vec<Value>, McpError> {
        let request = |cursor| {
            ClientRequest::ListResourceTemplatesRequest(ListResourceTemplatesRequest::with_param(
                page(cursor),
            ))
        };
        self.pages("resources/templates/list", "resourceTemplates", request)
            .await
    }

    /// Lists the prompts.
    ///
    /// # Errors
    /// As [`McpClient::list_tools`].
    pub async fn list_prompts(&self) -> Result<Vec<Value>, McpError> {
        let request = |cursor| {
            ClientRequest::ListPromptsRequest(ListPromptsRequest::with_param(page(cursor)))
        };
        self.pages("prompts/list", "prompts", request).await
    }

    async fn pages(
        &self,
        method: &'static str,
        key: &str,
        request: impl Fn(Option<String>) -> ClientRequest + Sync,
    ) -> Result<Vec<Value>, McpError> {
        let mut entries = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let ask = || request(cursor.clone());
            let result = self.ask(method, &ask, &CallOptions::default()).await?;
            let mut result = serde_json::to_value(result).unwrap_or_default();
            let Some(Value::Array(more)) = result.get_mut(key).map(Value::take) else {
                return Err(self.protocol_error(format!("{method} gave no {key}")));
            };
            entries.extend(more);
            match next(&result) {
                None => return Ok(entries),
                _ if entries.len() > ENTRIES => break,
                more => cursor = more,
            }
        }
        Err(self.protocol_error(format!("{method} does not end")))
    }

    /// Reads a resource: its `contents`, each with `text` or `blob`.
    ///
    /// # Errors
    /// As [`McpClient::call`].
    pub async fn read_resource(&self, uri: &str) -> Result<Vec<Value>, McpError> {
        let request = |given: super::request::Given| {
            let mut params = ReadResourceRequestParams::new(uri);
            params.input_responses = given.answers;
            params.request_state = given.state;
            ClientRequest::ReadResourceRequest(ReadResourceRequest::new(params))
        };
        let result = self
            .in_rounds("resources/read", &CallOptions::default(), request)
            .await?;
        match field(result, "contents") {
            Some(Value::Array(contents)) => Ok(contents),
            _ => Err(self.protocol_error("resources/read gave no contents")),
        }
    }

    /// Gets a prompt: its `messages`, and its `description` where it has one.
    ///
    /// # Errors
    /// As [`McpClient::call`].
    pub async fn prompt(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, McpError> {
        let request = |given: super::request::Given| {
            let mut params = GetPromptRequestParams::new(name);
            params.arguments = (!arguments.is_empty()).then(|| arguments.clone());
            params.input_responses = given.answers;
            params.request_state = given.state;
            ClientRequest::GetPromptRequest(GetPromptRequest::new(params))
        };
        let result = self
            .in_rounds("prompts/get", &CallOptions::default(), request)
            .await?;
        let value = serde_json::to_value(result).unwrap_or_default();
        match value.get("messages").is_some_and(Value::is_array) {
            true => Ok(value),
            false => Err(self.protocol_error("prompts/get gave no messages")),
        }
    }

    /// Asks how an argument of a prompt or of a resource template could go on. `reference` is MCP's
    /// `ref`: `{"type": "ref/prompt", "name": …}` or `{"type": "ref/resource", "uri": …}`.
    ///
    /// # Errors
    /// As [`McpClient::call`].
    pub async fn complete(
        &self,
        reference: Value,
        argument: &str,
        begun: &str,
    ) -> Result<Vec<String>, McpError> {
        let params = json!({"ref": reference, "argument": {"name": argument, "value": begun}});
        let params =
            serde_json::from_value(params).map_err(|e| self.protocol_error(e.to_string()))?;
        let request = CompleteRequest::new(params);
        let ask = || ClientRequest::CompleteRequest(request.clone());
        let result = self
            .ask("completion/complete", &ask, &CallOptions::default())
            .await?;
        let values =
            field(result, "completion").and_then(|mut c| c.get_mut("values").map(Value::take));
        serde_json::from_value(values.unwrap_or_default())
            .map_err(|e| self.protocol_error(e.to_string()))
    }
}

fn page(cursor: Option<String>) -> PaginatedRequestParams {
    PaginatedRequestParams::default().with_cursor(cursor)
}

fn next(page: &Value) -> Option<String> {
    let cursor = page.get("nextCursor")?.as_str()?;
    (!cursor.is_empty()).then(|| cursor.to_owned())
}

fn field(result: ServerResult, key: &str) -> Option<Value> {
    let mut value = serde_json::to_value(result).ok()?;
    value.get_mut(key).map(Value::take)
}
