//! What can go wrong between the agent and its model, each with the next step.

use thiserror::Error;

/// Says why a model gave no turn.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum ModelError {
    /// The settings cannot be used.
    #[error("{variable} is wrong: {problem}")]
    Settings {
        variable: &'static str,
        problem: String,
    },
    /// Nothing answered.
    #[error("cannot reach {url}: {problem}")]
    Unreachable { url: String, problem: String },
    /// The endpoint wants another key (401, 403).
    #[error("{url} refused the key (status {status}): {detail}")]
    KeyRefused {
        url: String,
        status: u16,
        detail: String,
    },
    /// No such address or no such model (404).
    #[error("{url} has no such address or no model `{model}` (status 404): {detail}")]
    NotFound {
        url: String,
        model: String,
        detail: String,
    },
    /// Too many requests, also after waiting (429).
    #[error("{url} is limiting requests (status 429): {detail}")]
    RateLimited { url: String, detail: String },
    /// Any other status that is not success.
    #[error("{url} answered with status {status}: {detail}")]
    Status {
        url: String,
        status: u16,
        detail: String,
    },
    /// The answer is not what the API promises.
    #[error("the answer of {url} is not a chat completion: {problem}")]
    Malformed { url: String, problem: String },
    /// The answer stopped in the middle.
    #[error("the answer of {url} was cut: {problem}")]
    Cut { url: String, problem: String },
    /// The endpoint withheld the answer.
    #[error("the endpoint withheld the answer: {detail}")]
    Withheld { detail: String },
    /// The model ran out of output in the middle of its answer.
    #[error("the model reached its output limit in the middle of an answer")]
    OutputLimit,
    /// A bug in this program.
    #[error("bug in quickstart: {0}")]
    Bug(String),
}

impl ModelError {
    /// Returns what the person at the terminal can do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Settings { variable, .. } => match *variable {
                "OPENAI_API_KEY" => "set OPENAI_API_KEY to the key alone, on one line",
                "OPENAI_MODEL" => "set OPENAI_MODEL to a model's name, or unset it",
                _ => {
                    "set OPENAI_BASE_URL to an address such as https://api.openai.com/v1 \
                     (http only for this machine), or unset it for the scripted model"
                }
            },
            Self::Unreachable { .. } => {
                "start the server or correct OPENAI_BASE_URL; unset it for the scripted model"
            }
            Self::KeyRefused { .. } => "set OPENAI_API_KEY to a key that this endpoint knows",
            Self::NotFound { .. } => {
                "set OPENAI_MODEL to a model it serves; OPENAI_BASE_URL usually ends in /v1"
            }
            Self::RateLimited { .. } => "wait a minute and run it again, or use another key",
            Self::Status { status, .. } if *status >= 500 => "run it again in a while",
            Self::Status { .. } => {
                "correct what the answer names; OPENAI_MODEL must be able to call tools"
            }
            Self::Malformed { .. } => {
                "check that OPENAI_BASE_URL is an OpenAI-compatible API (it usually ends in /v1)"
            }
            Self::Cut { .. } => {
                "run it again; if it stays, look at the server or a proxy before it"
            }
            Self::Withheld { .. } => "put the task in other words with QUICKSTART_TASK",
            Self::OutputLimit => "ask for less with QUICKSTART_TASK, or set another OPENAI_MODEL",
            Self::Bug(_) => "please report it",
        }
    }
}
