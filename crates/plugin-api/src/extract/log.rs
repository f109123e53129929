//! The plugin's log.

use super::reply::handle;
use crate::{CallCx, ConstNeed, EffectRequest, LogLevel};

/// Writes lines to the plugin's log. The host redacts and escapes them.
///
/// Logging never fails a tool: a line that the host refuses, for example because the call has
/// ended, is dropped.
///
/// ```
/// use keyway_plugin_api::{Log, tool};
///
/// /// Does nothing and says so.
/// #[tool(effect = read)]
/// async fn idle(log: Log) {
///     log.info("idle").await;
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Log {
    cx: CallCx,
}

handle!(Log, ConstNeed::Nothing);

impl Log {
    /// Writes a line for following single steps.
    pub async fn trace(&self, message: impl Into<String>) {
        self.line(LogLevel::Trace, message.into()).await;
    }

    /// Writes a line for debugging.
    pub async fn debug(&self, message: impl Into<String>) {
        self.line(LogLevel::Debug, message.into()).await;
    }

    /// Writes a line about normal operation.
    pub async fn info(&self, message: impl Into<String>) {
        self.line(LogLevel::Info, message.into()).await;
    }

    /// Writes a line about something that is off while work goes on.
    pub async fn warn(&self, message: impl Into<String>) {
        self.line(LogLevel::Warn, message.into()).await;
    }

    /// Writes a line about a failure.
    pub async fn error(&self, message: impl Into<String>) {
        self.line(LogLevel::Error, message.into()).await;
    }

    async fn line(&self, level: LogLevel, message: String) {
        // A log that could fail would make every author write `?` after every line.
        drop(self.cx.perform(EffectRequest::Log { level, message }).await);
    }
}
