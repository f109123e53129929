//! Saying how far a call is.

use super::reply::handle;
use crate::{CallCx, ConstNeed, EffectRequest};

/// Tells whoever waits for the call how far it is.
///
/// Reporting never fails a tool: where nobody listens, or the call has ended, it is dropped.
///
/// ```
/// use keyway_plugin_api::{Progress, tool};
///
/// /// Counts to three.
/// #[tool(effect = read)]
/// async fn count(progress: Progress) -> String {
///     for done in 1..=3 {
///         progress.report(done, Some(3), "counting").await;
///     }
///     "three".to_owned()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Progress {
    cx: CallCx,
}

handle!(Progress, ConstNeed::Nothing);

impl Progress {
    /// Reports how much is done, of how much where that is known, and what is being done. What
    /// says less than an earlier report of the same call is dropped.
    pub async fn report(&self, done: u64, total: Option<u64>, message: impl Into<String>) {
        let message = Some(message.into()).filter(|text| !text.is_empty());
        let request = EffectRequest::Progress {
            done,
            total,
            message,
        };
        drop(self.cx.perform(request).await);
    }
}
