//! Takes an effect's reply apart.

use crate::{CallCx, EffectReply, EffectRequest, ToolError};

/// Asks the host and takes the one kind of reply that fits the request.
pub(super) async fn ask<T>(
    cx: &CallCx,
    request: EffectRequest,
    take: impl FnOnce(EffectReply) -> Option<T> + Send,
) -> Result<T, ToolError> {
    take(cx.perform(request).await?).ok_or_else(|| {
        ToolError::internal("the host answered with a reply of another kind; bug in the host")
    })
}

pub(super) fn bytes(reply: EffectReply) -> Option<Option<Vec<u8>>> {
    match reply {
        EffectReply::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every taker")]
pub(super) fn done(reply: EffectReply) -> Option<()> {
    matches!(reply, EffectReply::Done).then_some(())
}

pub(super) fn names(reply: EffectReply) -> Option<Vec<String>> {
    match reply {
        EffectReply::Names(names) => Some(names),
        _ => None,
    }
}

/// An extractor that is a handle on the call and nothing more.
macro_rules! handle {
    ($name:ident, $need:expr) => {
        impl<'c> $crate::FromCall<'c> for $name {
            const NEED: $crate::ConstNeed = $need;

            fn from_call(
                cx: &'c $crate::CallCx,
                _: $crate::Arguments<'c>,
            ) -> Result<Self, $crate::ToolError> {
                Ok(Self { cx: cx.clone() })
            }
        }
    };
}
pub(super) use handle;
