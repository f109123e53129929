//! Granted secrets.

use std::fmt;
use std::marker::PhantomData;

use super::reply::ask;
use crate::{
    Arguments, CallCx, ConstNeed, EffectReply, EffectRequest, FromCall, SecretValue, ToolError,
};

/// Names one secret at compile time, so that the descriptor can say which one a tool needs.
pub trait SecretName: Send + Sync + 'static {
    /// The secret's name, as the manifest requests it and the operator grants it.
    const NAME: &'static str;
}

/// The right to ask for the secret that `N` names. It holds no value until
/// [`reveal`](Self::reveal) is asked.
///
/// ```
/// use keyway_plugin_api::{Secret, SecretName, ToolError, tool};
///
/// struct GithubToken;
/// impl SecretName for GithubToken {
///     const NAME: &'static str = "GITHUB_TOKEN";
/// }
///
/// /// Tells whether a token is there.
/// #[tool(effect = read)]
/// async fn signed_in(token: Secret<GithubToken>) -> Result<String, ToolError> {
///     let token = token.reveal().await?;
///     Ok(format!("a token of {} bytes", token.expose().len()))
/// }
/// ```
pub struct Secret<N> {
    cx: CallCx,
    name: PhantomData<fn() -> N>,
}

impl<N: SecretName> Secret<N> {
    /// Reads the secret.
    ///
    /// # Errors
    /// `Denied` with the missing grant, `NotFound` when the operator stored none.
    pub async fn reveal(&self) -> Result<SecretValue, ToolError> {
        let name = N::NAME.to_owned();
        ask(
            &self.cx,
            EffectRequest::SecretRead { name },
            |reply| match reply {
                EffectReply::Secret(value) => Some(value),
                _ => None,
            },
        )
        .await
    }
}

impl<'c, N: SecretName> FromCall<'c> for Secret<N> {
    const NEED: ConstNeed = ConstNeed::Secret(N::NAME);

    fn from_call(cx: &'c CallCx, _: Arguments<'c>) -> Result<Self, ToolError> {
        Ok(Self {
            cx: cx.clone(),
            name: PhantomData,
        })
    }
}

impl<N: SecretName> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&N::NAME).finish()
    }
}
