//! State that the plugin owns.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reply::{ask, bytes, done, handle, names};
use crate::{CallCx, ConstNeed, EffectReply, EffectRequest, ToolError};

/// Durable keys and values that belong to the plugin.
///
/// ```
/// use keyway_plugin_api::{State, ToolError, tool};
///
/// /// Counts how often it was called.
/// #[tool(effect = write)]
/// async fn count(state: State) -> Result<String, ToolError> {
///     let n: u64 = state.get_json("count").await?.unwrap_or(0) + 1;
///     state.put_json("count", &n).await?;
///     Ok(n.to_string())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct State {
    cx: CallCx,
}

handle!(State, ConstNeed::State);

impl State {
    /// Reads a value; `None` when the key holds nothing.
    ///
    /// # Errors
    /// `Denied` with the missing grant, or what else went wrong outside.
    pub async fn get(&self, key: impl Into<String>) -> Result<Option<Vec<u8>>, ToolError> {
        let key = key.into();
        ask(&self.cx, EffectRequest::StateGet { key }, bytes).await
    }

    /// Stores a value durably.
    ///
    /// # Errors
    /// As [`State::get`]; `Conflict` when the quota is full.
    pub async fn put(
        &self,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), ToolError> {
        let (key, value) = (key.into(), value.into());
        ask(&self.cx, EffectRequest::StatePut { key, value }, done).await
    }

    /// Replaces a value only if it still is `expected` (`None`: only if there is none). Tells
    /// whether it did.
    ///
    /// # Errors
    /// As [`State::put`].
    pub async fn cas(
        &self,
        key: impl Into<String>,
        expected: Option<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Result<bool, ToolError> {
        let request = EffectRequest::StateCas {
            key: key.into(),
            expected,
            value: value.into(),
        };
        ask(&self.cx, request, |reply| match reply {
            EffectReply::Swapped(swapped) => Some(swapped),
            _ => None,
        })
        .await
    }

    /// Deletes a value; deleting what is not there is no error.
    ///
    /// # Errors
    /// As [`State::get`].
    pub async fn delete(&self, key: impl Into<String>) -> Result<(), ToolError> {
        let key = key.into();
        ask(&self.cx, EffectRequest::StateDelete { key }, done).await
    }

    /// Lists the keys that begin with `prefix`, sorted; an empty prefix lists every key.
    ///
    /// # Errors
    /// As [`State::get`].
    pub async fn list(&self, prefix: impl Into<String>) -> Result<Vec<String>, ToolError> {
        let prefix = prefix.into();
        ask(&self.cx, EffectRequest::StateList { prefix }, names).await
    }

    /// Reads a value that was stored with [`State::put_json`].
    ///
    /// # Errors
    /// As [`State::get`]; `Internal` when what is stored is not a `T`.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        key: impl Into<String>,
    ) -> Result<Option<T>, ToolError> {
        let Some(bytes) = self.get(key).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| ToolError::internal(format!("the stored value does not fit: {e}")))
    }

    /// Stores a value as JSON.
    ///
    /// # Errors
    /// As [`State::put`]; `Internal` when the value cannot be JSON.
    pub async fn put_json<T: Serialize + Sync + ?Sized>(
        &self,
        key: impl Into<String>,
        value: &T,
    ) -> Result<(), ToolError> {
        let bytes = serde_json::to_vec(value)
            .map_err(|e| ToolError::internal(format!("the value is not JSON: {e}")))?;
        self.put(key, bytes).await
    }
}
