//! A tool that lives in a server.

use std::time::Duration;

use async_trait::async_trait;
use keyway_plugin_api::{
    Arguments, CallCx, EffectRequest, Tool, ToolDescriptor, ToolError, ToolErrorKind, ToolOutput,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::Link;
use super::reply::{error_of, output_of};
use crate::client::{CallOptions, Progress};

/// No call is longer than this; the host's own limit is shorter.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Reports of progress that may wait.
const WAITING: usize = 16;

pub(crate) struct RemoteTool {
    descriptor: ToolDescriptor,
    link: Link,
}

impl RemoteTool {
    pub(crate) fn new(descriptor: ToolDescriptor, link: Link) -> Self {
        Self { descriptor, link }
    }
}

#[async_trait]
impl Tool for RemoteTool {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.descriptor
    }

    async fn call(&self, arguments: Arguments<'_>, cx: &CallCx) -> Result<ToolOutput, ToolError> {
        let client = self.link.client().ok_or_else(|| {
            ToolError::new(ToolErrorKind::PluginGone, "its server is not running")
        })?;
        let arguments: Value = arguments.parse()?;
        let (reports, heard) = mpsc::channel(WAITING);
        let options = CallOptions::within(LONGEST).with_progress(reports);
        let call = client.call(self.descriptor.name.as_str(), arguments, options);
        let told = tell(heard, cx);
        tokio::pin!(call, told);
        let reply = loop {
            tokio::select! {
                reply = &mut call => break reply,
                () = cx.cancelled() => {
                    return Err(ToolError::new(ToolErrorKind::Cancelled, "nobody waits for it"));
                }
                () = &mut told => {}
            }
        };
        let promises_json = self.descriptor.output_schema.is_some();
        reply
            .map_err(|e| error_of(&e))
            .and_then(|reply| output_of(reply, promises_json))
    }
}

/// Passes on the server's progress as the tool's; never ends before its call.
async fn tell(mut heard: mpsc::Receiver<Progress>, cx: &CallCx) {
    while let Some(progress) = heard.recv().await {
        let request = EffectRequest::Progress {
            done: whole(progress.done),
            total: progress.total.map(whole),
            message: progress.message,
        };
        // Nobody may be listening.
        let _told = cx.perform(request).await;
    }
    std::future::pending::<()>().await;
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a report is rough; what is no number counts as nothing"
)]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 9_007_199_254_740_991.0) as u64
}
