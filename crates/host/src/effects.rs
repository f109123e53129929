//! The seam to whatever performs a permitted effect.

use async_trait::async_trait;
use keyway_plugin_api::{
    EffectReply, EffectRequest, PluginId, StateEntries, ToolError, ToolErrorKind,
};

use crate::gate::EffectPermit;

/// Performs effects that the gate permitted; `keyway-effects` has the usual ones.
///
/// Contract: called concurrently; must stay within [`EffectPermit::within`]; must not block the
/// async runtime for long; errors name what failed without leaking host paths or secrets.
///
/// ```
/// use keyway_host::effects::EffectPerformer;
/// use keyway_host::gate::EffectPermit;
/// use keyway_plugin_api::{EffectReply, EffectRequest, ToolError, async_trait};
///
/// /// Keeps nothing and answers "nothing there".
/// struct Empty;
///
/// #[async_trait]
/// impl EffectPerformer for Empty {
///     async fn perform(
///         &self,
///         _permit: EffectPermit,
///         _request: EffectRequest,
///     ) -> Result<EffectReply, ToolError> {
///         Ok(EffectReply::Bytes(None))
///     }
/// }
/// ```
#[async_trait]
pub trait EffectPerformer: Send + Sync + 'static {
    /// Performs one effect.
    ///
    /// # Errors
    /// What went wrong outside, as a [`ToolError`].
    async fn perform(
        &self,
        permit: EffectPermit,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError>;

    /// Returns every entry of a plugin's state, keys of the host's own included. By default there
    /// is none.
    ///
    /// # Errors
    /// What went wrong outside, as a [`ToolError`].
    async fn export_state(&self, plugin: &PluginId) -> Result<StateEntries, ToolError> {
        let _ = plugin;
        Ok(StateEntries::new())
    }

    /// Replaces a plugin's state, durably and as a whole: a crash leaves the old or the new one.
    ///
    /// # Errors
    /// What went wrong outside, as a [`ToolError`]; by default that no state is kept here, unless
    /// there is nothing of the plugin's own to keep.
    async fn replace_state(
        &self,
        plugin: &PluginId,
        entries: StateEntries,
    ) -> Result<(), ToolError> {
        let _ = plugin;
        let is_reserved = |key: &String| key.starts_with(crate::host::layout::RESERVED);
        match entries.keys().all(is_reserved) {
            true => Ok(()),
            false => Err(ToolError::new(
                ToolErrorKind::Unavailable,
                "this host keeps no state",
            )),
        }
    }
}

/// Performs nothing; the default of a host that was given no performer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoEffects;

#[async_trait]
impl EffectPerformer for NoEffects {
    async fn perform(
        &self,
        _permit: EffectPermit,
        _request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        Err(ToolError::new(
            ToolErrorKind::Unavailable,
            "this host performs no effects: its embedder gave it none with `.effects(..)`",
        ))
    }
}
