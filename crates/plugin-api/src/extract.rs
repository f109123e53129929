//! What a tool function may take as a parameter.
//!
//! A parameter is recognised by the [`FromCall`] trait of its type, never by how the type is
//! spelled: an alias or an imported name works. Only [`Args`] enters the tool's input schema;
//! everything else is injected by the host and the model neither sees nor supplies it.

mod args;
mod fs;
mod log;
mod net;
mod progress;
mod reply;
mod secret;
mod state;
mod tools;

pub use args::{Args, ToolInput};
pub use fs::{FsRead, FsWrite};
pub use log::Log;
pub use net::{Hosts, HttpRequest, Net};
pub use progress::Progress;
pub use secret::{Secret, SecretName};
pub use state::State;
pub use tools::Tools;

use crate::{Arguments, CallCx, ConstNeed, ToolError};

/// A type that a tool function can take as a parameter: an extractor.
///
/// Implemented by the extractors of this crate. Implement it for a type of your own to bundle
/// what several tools need; state its need in [`NEED`](Self::NEED), which the build checks
/// against the tool's declared effect and the descriptor publishes.
///
/// Contract: `from_call` is cheap and asks the host for nothing; effects happen later, through
/// the value it made.
///
/// ```
/// use keyway_plugin_api::{Arguments, CallCx, ConstNeed, FromCall, ToolError};
///
/// /// Who calls, as `organisation/team/agent`.
/// struct Caller(String);
///
/// impl<'c> FromCall<'c> for Caller {
///     const NEED: ConstNeed = ConstNeed::Nothing;
///     fn from_call(cx: &'c CallCx, _: Arguments<'c>) -> Result<Self, ToolError> {
///         Ok(Self(cx.info().caller.to_string()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a tool function cannot take a parameter of type `{Self}`",
    label = "not an extractor",
    note = "a parameter is one of `Args<T>` (what the model supplies), `&CallCx`, `FsRead`, \
            `FsWrite`, `Log`, `Net<H>`, `Progress`, `Secret<N>`, `State`, `Tools`, or a type that \
            implements `FromCall`",
    note = "if the model supplies this value, put it in a struct that derives `ToolInput` and \
            take `Args<ThatStruct>`"
)]
pub trait FromCall<'c>: Sized {
    /// What the parameter needs from the host.
    const NEED: ConstNeed;

    /// Makes the parameter's value for one call.
    ///
    /// # Errors
    /// [`ToolError`] of kind `InvalidArguments` when the arguments do not fit.
    fn from_call(cx: &'c CallCx, arguments: Arguments<'c>) -> Result<Self, ToolError>;

    /// Returns the raw schema of what the model supplies; only [`Args`] has one.
    #[doc(hidden)]
    #[must_use]
    fn input_schema() -> Option<serde_json::Value> {
        None
    }
}

/// The context itself: caller, cancellation, and the door for raw requests.
impl<'c> FromCall<'c> for &'c CallCx {
    const NEED: ConstNeed = ConstNeed::Nothing;

    fn from_call(cx: &'c CallCx, _: Arguments<'c>) -> Result<Self, ToolError> {
        Ok(cx)
    }
}
