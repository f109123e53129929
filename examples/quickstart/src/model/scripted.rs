//! A model that plays a script, so that the example runs anywhere and the same way every time.
//!
//! It stands where a real model stands: it sees the conversation and nothing else, and a later
//! turn can use what an earlier tool gave back.

use keyway_host::model::ModelTools;
use keyway_plugin_api::async_trait;

use super::{Conversation, Model, ModelError, ModelTurn, OnText};

/// Writes one turn of a script from what was said so far.
pub(crate) type Turn = fn(&Conversation) -> ModelTurn;

/// Plays a script, one turn at a time; says nothing once it is over.
#[derive(Debug)]
pub(crate) struct ScriptedModel {
    turns: std::slice::Iter<'static, Turn>,
}

impl ScriptedModel {
    /// Takes a script.
    pub(crate) fn new(turns: &'static [Turn]) -> Self {
        let turns = turns.iter();
        Self { turns }
    }
}

#[async_trait]
impl Model for ScriptedModel {
    fn name(&self) -> String {
        "a script (set OPENAI_BASE_URL for a real model)".to_owned()
    }

    async fn next(
        &mut self,
        conversation: &Conversation,
        _tools: &ModelTools,
        on_text: OnText<'_>,
    ) -> Result<ModelTurn, ModelError> {
        let turn = self.turns.next().map(|turn| turn(conversation));
        let turn = turn.unwrap_or_default();
        turn.text.split_inclusive(' ').for_each(on_text);
        Ok(turn)
    }
}
