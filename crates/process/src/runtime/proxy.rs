//! A plugin's tools and hooks as the host has them: the same values over restarts of the process.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use keyway_channel::message::{
    HookRegistration, HostRequest, ToolCallRef, output_from_result, verdict_from_result,
};
use keyway_plugin_api::{
    Arguments, CallCx, Hook, HookAuthority, HookEvent, HookVerdict, Tool, ToolDescriptor,
    ToolError, ToolErrorKind, ToolOutput,
};
use serde_json::value::RawValue;

use super::Shared;
use crate::child::{Answer, Lost};

/// A tool that runs in the plugin's process.
pub(super) struct ProxyTool {
    descriptor: Arc<ToolDescriptor>,
    shared: Arc<Shared>,
}

impl ProxyTool {
    pub(super) fn new(descriptor: Arc<ToolDescriptor>, shared: Arc<Shared>) -> Self {
        Self { descriptor, shared }
    }

    fn request<'a>(&'a self, arguments: &'a RawValue, cx: &'a CallCx) -> ToolCallRef<'a> {
        let info = cx.info();
        ToolCallRef {
            name: self.descriptor.name.as_str(),
            arguments,
            call: info.id,
            deadline_ms: info.deadline_ms,
            caller: &info.caller,
        }
    }
}

#[async_trait]
impl Tool for ProxyTool {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.descriptor
    }

    async fn call(&self, arguments: Arguments<'_>, cx: &CallCx) -> Result<ToolOutput, ToolError> {
        let arguments: &RawValue = arguments.parse_raw()?;
        let _active = self.shared.enter();
        let mut may_repeat = self.descriptor.idempotent;
        loop {
            let link = self.shared.link().await?;
            let call = self.request(arguments, cx);
            match link.call(call, cx, &self.descriptor.name).await {
                Ok(answer) => return output(answer),
                // Nothing of it has run.
                Err(Lost::NotSent) => {}
                Err(Lost::Sent) if std::mem::take(&mut may_repeat) => {}
                Err(lost) => return Err(lost.into()),
            }
        }
    }
}

fn output(answer: Answer) -> Result<ToolOutput, ToolError> {
    let raw = match answer {
        Answer::Output(output) => return Ok(output),
        Answer::Raw(raw) => raw.map_err(|error| error.to_tool_error())?,
    };
    output_from_result(&raw)
        .map_err(|error| ToolError::internal(format!("the plugin's answer {error}")))
}

/// The arguments as they are passed on.
trait ParseRaw<'a> {
    fn parse_raw(self) -> Result<&'a RawValue, ToolError>;
}

impl<'a> ParseRaw<'a> for Arguments<'a> {
    fn parse_raw(self) -> Result<&'a RawValue, ToolError> {
        serde_json::from_str(self.as_str())
            .map_err(|error| ToolError::invalid_arguments(error.to_string()))
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("the plugin's process ended before the request was sent"),
            Self::Overloaded => {
                f.write_str("as many requests as may be wait for the plugin already")
            }
            Self::Sent => f.write_str("the plugin's process ended before it answered"),
            Self::Unsendable(error) => write!(f, "the request cannot be sent: {error}"),
        }
    }
}

impl From<Lost> for ToolError {
    fn from(lost: Lost) -> Self {
        let kind = match lost {
            Lost::NotSent | Lost::Sent => ToolErrorKind::PluginGone,
            Lost::Overloaded => ToolErrorKind::Unavailable,
            Lost::Unsendable(_) => ToolErrorKind::InvalidArguments,
        };
        Self::new(kind, lost.to_string())
    }
}

/// A hook that runs in the plugin's process.
pub(super) struct ProxyHook {
    registered: HookRegistration,
    shared: Arc<Shared>,
}

impl ProxyHook {
    pub(super) fn new(registered: HookRegistration, shared: Arc<Shared>) -> Self {
        Self { registered, shared }
    }

    async fn ask(&self, event: &HookEvent) -> Result<HookVerdict, String> {
        let link = self.shared.link().await.map_err(|error| error.message)?;
        let request = HostRequest::RunHook {
            hook: self.registered.id,
            event: event.clone(),
        };
        let answer = link.ask(request).await.map_err(|lost| lost.to_string())?;
        let result = answer.map_err(|error| error.message().to_owned())?;
        verdict_from_result(&result).map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Hook for ProxyHook {
    async fn run(&self, event: &HookEvent) -> HookVerdict {
        let _active = self.shared.enter();
        match (self.ask(event).await, self.registered.authority) {
            (Ok(verdict), _) => verdict,
            // A guard that cannot be asked has not said yes.
            (Err(reason), HookAuthority::Gate) => HookVerdict::Block {
                reason: format!("the hook could not be asked: {reason}"),
            },
            (Err(reason), _) => {
                tracing::warn!(point = %event.point, "a hook could not be asked: {reason}");
                HookVerdict::Continue
            }
        }
    }
}
