//! What the agent thinks with: anything that continues a conversation and may ask for tools.
//!
//! The agent loop knows only [`Model`]. [`ScriptedModel`] plays a script, so the whole example
//! runs without a network; [`OpenAiModel`] asks an OpenAI-compatible chat endpoint.

mod chat;
mod endpoint;
mod error;
mod openai;
mod scripted;
mod sse;

use keyway_host::model::ModelTools;
use keyway_plugin_api::async_trait;
use serde_json::Value;

pub(crate) use endpoint::Endpoint;
pub(crate) use error::ModelError;
pub(crate) use openai::OpenAiModel;
pub(crate) use scripted::{ScriptedModel, Turn};

/// Takes pieces of text as they come.
pub(crate) type OnText<'a> = &'a mut (dyn FnMut(&str) + Send);

/// Something that continues a conversation.
#[async_trait]
pub(crate) trait Model: Send {
    /// Returns the name to show.
    fn name(&self) -> String;

    /// Answers, and hands every piece of text to `on_text` as soon as it is there.
    ///
    /// # Errors
    /// [`ModelError`]; its hint says what to do.
    async fn next(
        &mut self,
        conversation: &Conversation,
        tools: &ModelTools,
        on_text: OnText<'_>,
    ) -> Result<ModelTurn, ModelError>;
}

/// What was said so far, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversation {
    pub(crate) messages: Vec<Message>,
}

impl Conversation {
    /// Opens a conversation with a task.
    pub(crate) fn about(system: &str, task: &str) -> Self {
        let system = Message::System(system.to_owned());
        Self {
            messages: vec![system, Message::User(task.to_owned())],
        }
    }

    /// Adds a message.
    pub(crate) fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Returns what a call gave back, once it has worked.
    pub(crate) fn result_of(&self, call: &str) -> Option<&Value> {
        let mut newest = self.messages.iter().rev();
        newest.find_map(|message| match message {
            Message::Tool(result) if result.call == call && !result.failed => Some(&result.content),
            _ => None,
        })
    }
}

/// One thing that was said.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Assistant(ModelTurn),
    System(String),
    Tool(ToolResult),
    User(String),
}

/// What came back from a tool.
#[derive(Debug, Clone)]
pub(crate) struct ToolResult {
    /// The [`ToolCall::id`] it answers.
    pub(crate) call: String,
    /// The output, or what went wrong.
    pub(crate) content: Value,
    pub(crate) failed: bool,
}

/// One answer of a model: text, or calls, or both. No calls means it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ModelTurn {
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
}

/// A call the model wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolCall {
    /// The model's name for this call.
    pub(crate) id: String,
    /// The canonical `plugin/tool`; whatever the model said when that is no tool it was offered.
    pub(crate) tool: String,
    /// The arguments, as the JSON text the model wrote.
    pub(crate) arguments: String,
}
