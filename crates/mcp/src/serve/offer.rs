//! What an embedder serves beside tools.

use async_trait::async_trait;
use keyway_host::view::View;
use serde_json::{Map, Value};

/// Says why a resource or a prompt was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The client has to say more first; what it was asked is on its way already.
    #[error("the client has to answer first")]
    Asked,
    /// It failed.
    #[error("{0}")]
    Failed(String),
    /// The arguments are wrong.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing for this caller.
    #[error("there is none")]
    Unknown,
}

/// Serves resources.
///
/// Implemented by an embedder. Contract: gives each caller what that caller may see, the same for the
/// same caller, in a stable order; may run many times at once. Entries and contents have MCP's shapes.
///
/// ```
/// use keyway_host::view::View;
/// use keyway_mcp::{Refusal, ServedResources};
/// use keyway_plugin_api::{async_trait, serde_json::{Value, json}};
///
/// struct Motto;
/// #[async_trait]
/// impl ServedResources for Motto {
///     async fn list(&self, _: &View) -> Vec<Value> {
///         vec![json!({"uri": "motto://today", "name": "motto", "mimeType": "text/plain"})]
///     }
///     async fn read(&self, _: &View, uri: &str) -> Result<Vec<Value>, Refusal> {
///         match uri {
///             "motto://today" => Ok(vec![json!({"uri": uri, "text": "Festina lente."})]),
///             _ => Err(Refusal::Unknown),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait ServedResources: Send + Sync + 'static {
    /// Lists the resources: `uri`, `name`, and what else MCP has for them.
    async fn list(&self, view: &View) -> Vec<Value>;

    /// Reads one: its contents, each with `uri` and `text` or `blob`.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn read(&self, view: &View, uri: &str) -> Result<Vec<Value>, Refusal>;

    /// Lists the templates: `uriTemplate`, `name`.
    async fn templates(&self, _view: &View) -> Vec<Value> {
        Vec::new()
    }
}

/// Serves prompts. The contract is that of [`ServedResources`].
#[async_trait]
pub trait ServedPrompts: Send + Sync + 'static {
    /// Lists the prompts: `name`, `description`, `arguments`.
    async fn list(&self, view: &View) -> Vec<Value>;

    /// Gets one with its arguments filled in: `messages`, and `description` where there is one.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn get(
        &self,
        view: &View,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Value, Refusal>;
}

/// Completes arguments. The contract is that of [`ServedResources`].
#[async_trait]
pub trait Completions: Send + Sync + 'static {
    /// Returns how an argument could go on, the likeliest first. `reference` is MCP's `ref`.
    async fn complete(
        &self,
        view: &View,
        reference: &Value,
        argument: &str,
        begun: &str,
    ) -> Vec<String>;
}
