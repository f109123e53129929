//! Other tools.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reply::{ask, handle};
use crate::{CallCx, ConstNeed, EffectReply, EffectRequest, ToolError};

/// Calls other tools, with no more power than both callers have.
///
/// ```
/// use keyway_plugin_api::serde_json::json;
/// use keyway_plugin_api::{ToolError, Tools, tool};
///
/// /// Adds two numbers with the calculator's tool.
/// #[tool(effect = read)]
/// async fn add_by_proxy(tools: Tools) -> Result<String, ToolError> {
///     let sum: i64 = tools.call("calculator/add", &json!({"a": 1, "b": 2})).await?;
///     Ok(sum.to_string())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Tools {
    cx: CallCx,
}

handle!(Tools, ConstNeed::Tools);

impl Tools {
    /// Calls a tool by its canonical or unambiguous name and parses its output.
    ///
    /// # Errors
    /// `Denied` with the missing grant, whatever the tool fails with, and `Internal` when the
    /// arguments or the output do not fit.
    pub async fn call<A, R>(&self, tool: impl Into<String>, arguments: &A) -> Result<R, ToolError>
    where
        A: Serialize + Sync + ?Sized,
        R: DeserializeOwned,
    {
        let arguments = serde_json::to_string(arguments)
            .map_err(|e| ToolError::internal(format!("the arguments are not JSON: {e}")))?;
        let output = self.call_json(tool, arguments).await?;
        serde_json::from_str(&output)
            .map_err(|e| ToolError::internal(format!("the tool's output does not fit: {e}")))
    }

    /// Calls a tool with arguments that are JSON text already; returns its output as JSON text.
    ///
    /// # Errors
    /// `Denied` with the missing grant, or whatever the tool fails with.
    pub async fn call_json(
        &self,
        tool: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Result<String, ToolError> {
        let request = EffectRequest::CallTool {
            tool: tool.into(),
            arguments: arguments.into(),
        };
        ask(&self.cx, request, |reply| match reply {
            EffectReply::Output(json) => Some(json),
            _ => None,
        })
        .await
    }
}
