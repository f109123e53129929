//! One tool, every model API: what to send, what comes back, and what is lost on the way.
//!
//! [`ModelTools`] turns what an agent may call into the `tools` of a request, finds the calls in
//! an answer, and shapes what came of them. It sends nothing and decides nothing: every call still
//! goes through [`View::call`](crate::view::View::call), which checks it against the tool's own
//! schema. What an API cannot say of a tool is a [`Loss`], what it cannot take at all a
//! [`LeftOut`]; neither is silent.
//!
//! The rules are in [`rules`]; what is lost where is a table in `docs/model-apis.md`.

mod answers;
mod calls;
mod gemini;
mod loss;
mod names;
mod nulls;
pub mod rules;
mod strict;
mod told;
mod tools;
mod wire;

pub use answers::{IntoTold, Told};
pub use calls::{AnswerError, ModelCall};
pub use loss::{LeftOut, LeftOutReason, Loss, NotStrict};
pub use names::{WIRE_NAME_MAX, WireNames};
pub use tools::{ModelTools, ProjectedTool};

/// An interface through which models are offered tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelApi {
    /// Anthropic's Messages.
    Anthropic,
    /// Google's Gemini, `generateContent`.
    Gemini,
    /// OpenAI's Chat Completions, and what is compatible with it.
    OpenAi,
    /// OpenAI's Responses.
    OpenAiResponses,
}

impl ModelApi {
    /// Tells whether the API can be made to keep to a schema, tool by tool.
    #[must_use]
    pub fn has_strict_tools(self) -> bool {
        !matches!(self, Self::Gemini)
    }
}
