//! What a server offers beside tools: resources and prompts, for the embedder.

use std::fmt;

use serde_json::{Map, Value};

use crate::McpError;
use crate::client::{McpClient, ServerFacts};
use crate::tools::Link;

/// The resources and prompts of one running server.
///
/// They are read by the embedder and by nobody else: nothing here calls a tool, and no agent reaches
/// it. What comes back is a stranger's text.
#[derive(Clone)]
pub struct Offers(Link);

impl Offers {
    pub(crate) fn new(link: Link) -> Self {
        Self(link)
    }

    fn client(&self) -> Result<McpClient, McpError> {
        self.0.client().ok_or_else(|| McpError::Gone {
            server: "the server".to_owned(),
            reason: "it is not running".to_owned(),
        })
    }

    /// Returns what the server says about itself.
    ///
    /// # Errors
    /// [`McpError::Gone`] while it does not run.
    pub fn facts(&self) -> Result<ServerFacts, McpError> {
        Ok(self.client()?.facts().clone())
    }

    /// Lists the resources.
    ///
    /// # Errors
    /// Any [`McpError`].
    pub async fn resources(&self) -> Result<Vec<Value>, McpError> {
        self.client()?.list_resources().await
    }

    /// Lists the templates of resources.
    ///
    /// # Errors
    /// Any [`McpError`].
    pub async fn resource_templates(&self) -> Result<Vec<Value>, McpError> {
        self.client()?.list_resource_templates().await
    }

    /// Reads a resource: its contents, each with `text` or `blob`.
    ///
    /// # Errors
    /// Any [`McpError`].
    pub async fn read(&self, uri: &str) -> Result<Vec<Value>, McpError> {
        self.client()?.read_resource(uri).await
    }

    /// Lists the prompts.
    ///
    /// # Errors
    /// Any [`McpError`].
    pub async fn prompts(&self) -> Result<Vec<Value>, McpError> {
        self.client()?.list_prompts().await
    }

    /// Gets a prompt with its arguments filled in.
    ///
    /// # Errors
    /// Any [`McpError`].
    pub async fn prompt(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, McpError> {
        self.client()?.prompt(name, arguments).await
    }
}

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Offers").finish()
    }
}
