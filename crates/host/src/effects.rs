//! The seam to whatever performs a permitted effect.

use async_trait::async_trait;
use keyway_plugin_api::{EffectReply, EffectRequest, ToolError, ToolErrorKind};

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
