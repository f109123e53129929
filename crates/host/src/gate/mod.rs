//! Decides who may do what; nothing passes without a permit.
//!
//! The host hands a gate an [`Ask`] (for a call) or an [`EffectAsk`] (for what a running plugin
//! wants from outside). Only an ask can be turned into a permit, only the host makes asks, and a
//! permit is spent by the one call it was made for. This module does no I/O and reads no clock.

mod address;
mod ask;
mod effect;
mod holdings;
mod policy;
mod standard;
mod template;
mod wanted;

pub use address::{HttpAddress, HttpAddressError};
pub use ask::{Ask, Permit, Verdict};
pub(crate) use ask::{AskNumber, Judgement};
pub(crate) use effect::EffectJudgement;
pub use effect::{EffectAsk, EffectPermit, EffectVerdict, Moment};
pub use holdings::{Holdings, HoldingsCell, Standing};
pub use policy::{Policy, PolicyVerdict};
pub use standard::StandardGate;
pub use template::{HeaderTemplate, TemplateError, TemplatePart};

/// Decides on calls and on effects.
///
/// Implemented by [`StandardGate`]; an embedder may replace it, usually by a gate that asks
/// another system first and then the standard one. A gate can refuse more than the standard one;
/// it can never reach a plugin by itself.
///
/// Contract: called once for each call and each effect, concurrently; must not block, because
/// every call waits for it; must not panic (a panic denies).
///
/// ```
/// use keyway_host::gate::{Ask, CapabilityGate, EffectAsk, EffectVerdict, StandardGate, Verdict};
/// use keyway_plugin_api::{Denial, DenialReason, Effect};
///
/// /// Allows reading tools only, whatever was granted.
/// struct ReadOnly(StandardGate);
///
/// impl CapabilityGate for ReadOnly {
///     fn decide(&self, ask: Ask<'_>) -> Verdict {
///         if ask.tool().descriptor().effect > Effect::Read {
///             let name = ask.tool().name().to_owned();
///             return ask.deny(Denial::new(DenialReason::Forbidden, name, "write"));
///         }
///         self.0.decide(ask)
///     }
///     fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
///         self.0.decide_effect(ask)
///     }
/// }
/// ```
pub trait CapabilityGate: Send + Sync + 'static {
    /// Decides on a call.
    fn decide(&self, ask: Ask<'_>) -> Verdict;

    /// Decides on an effect that a running plugin asks for.
    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict;
}
