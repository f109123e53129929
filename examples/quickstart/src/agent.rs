//! The agent loop: ask the model, call what it asks for through the host, tell it what came back.
//!
//! Everything between this loop and a tool is one call, [`View::call`]: the gate, the checks of
//! the arguments, the plugin, the audit trail. A refusal is a result like any other; the model
//! reads it and goes on.

use keyway_host::clock::{Clock, SystemClock};
use keyway_host::model::{IntoTold, ModelApi};
use keyway_host::view::View;
use thiserror::Error;

use crate::model::{Conversation, Message, Model, ModelError, ToolCall, ToolResult};
use crate::screen::Screen;
use crate::show;

/// Most turns of one task: a model that never stops is stopped.
const TURNS_MAX: usize = 24;

const SYSTEM: &str = "You work on a source repository through tools. Call several at once where \
    that saves time. A tool that is refused stays refused until an operator changes it: do not \
    repeat the call, say what is missing.";

/// What a task amounted to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) turns: usize,
    pub(crate) calls: usize,
    pub(crate) denied: usize,
    pub(crate) failed: usize,
}

/// Says why a task was given up.
#[derive(Debug, Error)]
pub(crate) enum AgentError {
    /// The model gave no turn.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model asked for one thing after another.
    #[error("the model did not finish in {TURNS_MAX} turns")]
    TooManyTurns,
}

/// Works on a task until the model asks for nothing more.
pub(crate) async fn work(
    view: &View,
    model: &mut dyn Model,
    task: &str,
    screen: &mut Screen,
) -> Result<Tally, AgentError> {
    let mut conversation = Conversation::about(SYSTEM, task);
    let mut tally = Tally::default();
    for _ in 0..TURNS_MAX {
        // Asked anew each turn: an operator may have changed what this agent may call.
        let tools = view.tools_for(ModelApi::OpenAi);
        let mut on_text = |piece: &str| screen.token(piece);
        let turn = model.next(&conversation, &tools, &mut on_text).await;
        screen.end_of_tokens();
        let turn = turn?;
        tally.turns += 1;
        let calls = turn.calls.clone();
        conversation.push(Message::Assistant(turn));
        if calls.is_empty() {
            return Ok(tally);
        }
        for call in calls {
            let result = perform(view, call, &mut tally, screen).await;
            conversation.push(Message::Tool(result));
        }
    }
    Err(AgentError::TooManyTurns)
}

async fn perform(
    view: &View,
    call: ToolCall,
    tally: &mut Tally,
    screen: &mut Screen,
) -> ToolResult {
    let clock = SystemClock::new();
    let began = clock.now_ms();
    let outcome = view.call(&call.tool, call.arguments.as_str()).await;
    show::call(screen, &call, &outcome, clock.now_ms() - began);
    tally.calls += 1;
    let told = outcome.told();
    tally.failed += usize::from(told.is_error);
    tally.denied += usize::from(matches!(&outcome, Err(error) if error.denial().is_some()));
    ToolResult {
        call: call.id,
        content: told.to_value(),
        failed: told.is_error,
    }
}
