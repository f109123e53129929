//! What is asked of a plugin, and what it answers.

use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameError;
use keyway_channel::message::{
    HostRequest, HostRequestId, RawAnswer, ToolCallRef, output_to_result,
};
use keyway_plugin_api::{CallCx, ToolName, ToolOutput};

/// What a plugin answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The output of a tool, read with its line.
    Output(ToolOutput),
    /// Anything, as it came.
    Raw(RawAnswer),
}

impl Answer {
    /// Returns the answer to what was no call.
    pub(super) fn into_raw(self) -> RawAnswer {
        match self {
            Self::Output(output) => output_to_result(Ok(&output)),
            Self::Raw(answer) => answer,
        }
    }
}

/// What is asked of a plugin.
#[derive(Clone, Copy)]
pub(super) enum Asking<'a> {
    Call(ToolCallRef<'a>, &'a CallCx, &'a ToolName),
    Other(&'a HostRequest),
}

impl Asking<'_> {
    /// Appends it to `out` as one line.
    pub(super) fn encode(
        &self,
        id: u64,
        limits: ChannelLimits,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let id = HostRequestId(id);
        match self {
            Self::Call(call, ..) => call.encode(id, limits, out),
            Self::Other(request) => request.encode(id, limits, out),
        }
    }
}
