//! One span for each call, in the words of OpenTelemetry's conventions for generative AI.
//!
//! The span is called `execute_tool`, its target is `keyway::call`, its level INFO. It never holds
//! arguments or results. Where no subscriber wants it, nothing is computed and nothing allocated.

use std::future::Future;

use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::{CallError, Outcome, Recorder};

/// What `error.type` says of a call that was dropped before it ended.
const CANCELLED: &str = "CANCELLED";

/// The span of one call.
pub(super) struct CallSpan {
    span: Span,
    is_ended: bool,
}

impl CallSpan {
    /// Opens the span; none where no subscriber wants it.
    pub(super) fn open(Recorder { call, number, .. }: &Recorder<'_>) -> Option<Self> {
        let tool = &call.tool;
        let span = tracing::info_span!(
            target: "keyway::call",
            "execute_tool",
            otel.name = %format_args!("execute_tool {}", tool.name()),
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = tool.name(),
            gen_ai.tool.call.id = %number,
            gen_ai.tool.description = tool.descriptor().description.as_str(),
            keyway.plugin = tool.plugin().as_str(),
            keyway.caller = &**call.caller.shown(),
            "error.type" = Empty,
            otel.status_code = Empty,
        );
        let is_ended = false;
        (!span.is_disabled()).then_some(Self { span, is_ended })
    }

    /// Runs the call inside the span, and says how it ended.
    pub(super) async fn around(
        mut self,
        call: impl Future<Output = Result<Outcome, CallError>>,
    ) -> Result<Outcome, CallError> {
        let result = call.instrument(self.span.clone()).await;
        self.is_ended = true;
        if let Err(error) = &result {
            self.failed(error.code());
        }
        result
    }

    fn failed(&self, code: &'static str) {
        self.span.record("error.type", code);
        self.span.record("otel.status_code", "ERROR");
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        if !self.is_ended {
            self.failed(CANCELLED);
        }
    }
}
