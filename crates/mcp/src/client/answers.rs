//! What a server may ask of its client: a question for the user, a model's words, the roots.

use async_trait::async_trait;
use keyway_plugin_api::PluginId;
use serde_json::Value;

/// A question of a server, as it came.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Question {
    /// `elicitation/create`: something that a person is to say. The text is the server's; show
    /// whose it is, and never ask for a secret this way.
    Elicit(Value),
    /// `roots/list`: where the client works.
    ListRoots,
    /// `sampling/createMessage`: something that a model is to write.
    Sample(Value),
}

impl Question {
    /// Returns the method, as MCP names it.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Elicit(_) => "elicitation/create",
            Self::ListRoots => "roots/list",
            Self::Sample(_) => "sampling/createMessage",
        }
    }
}

/// The kinds of questions that are answered. A server is told; it may not ask others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the three questions of MCP, made with a literal"
)]
pub struct Answerable {
    /// Questions for a person.
    pub elicitation: bool,
    /// Where the client works.
    pub roots: bool,
    /// Words of a model.
    pub sampling: bool,
}

/// Answers the questions of servers.
///
/// Implemented by an embedder that has a person or a model at hand. Contract: `answer` may run many
/// times at once, is never given a question of a kind that `answerable` leaves out, and treats all of it
/// as written by a stranger (attack T39). Without one a server may ask nothing.
///
/// ```
/// use keyway_mcp::{Answerable, Answers, Question};
/// use keyway_plugin_api::{PluginId, async_trait, serde_json::{Value, json}};
///
/// struct Nobody;
/// #[async_trait]
/// impl Answers for Nobody {
///     fn answerable(&self) -> Answerable { Answerable { elicitation: true, ..Answerable::default() } }
///     async fn answer(&self, _: &PluginId, _: Question) -> Result<Value, String> {
///         Ok(json!({"action": "decline"}))
///     }
/// }
/// ```
#[async_trait]
pub trait Answers: Send + Sync + 'static {
    /// Returns which kinds of questions are answered.
    fn answerable(&self) -> Answerable;

    /// Answers a server's question with MCP's result for its method.
    ///
    /// # Errors
    /// A text for the server.
    async fn answer(&self, server: &PluginId, question: Question) -> Result<Value, String>;
}

/// Answers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoAnswers;

#[async_trait]
impl Answers for NoAnswers {
    fn answerable(&self) -> Answerable {
        Answerable::default()
    }

    async fn answer(&self, _: &PluginId, question: Question) -> Result<Value, String> {
        Err(format!("this client does not answer {}", question.method()))
    }
}
