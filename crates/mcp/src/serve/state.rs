//! What a client keeps for us between two rounds of one request: sealed, bound, used once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyway_host::digest::Digest;
use rmcp::model::{RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

/// How long a client has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Spent states that are remembered; with more, the oldest half of a flood is refused early.
const SPENT_MAX: usize = 10_000;

/// The answers that a client gave in earlier rounds.
pub(crate) type Given = BTreeMap<String, Value>;

#[derive(Serialize, Deserialize)]
struct Sealed {
    number: String,
    answers: Given,
}

/// Seals and opens states. Its key dies with it, so a state outlives no process.
pub(crate) struct StateKeeper {
    codec: Option<RequestStateCodec>,
    spent: Mutex<BTreeMap<String, Instant>>,
}

impl StateKeeper {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        // Without randomness no state is given out, and none is taken.
        let is_random = getrandom::fill(&mut key).is_ok();
        Self {
            codec: is_random
                .then(|| RequestStateCodec::try_new(key.to_vec()).ok())
                .flatten(),
            spent: Mutex::default(),
        }
    }

    /// Seals answers for the next round of a request.
    pub(crate) fn seal(&self, request: &Digest, answers: &Given) -> Option<String> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).ok()?;
        let sealed = Sealed {
            number: u128::from_le_bytes(number).to_string(),
            answers: answers.clone(),
        };
        let bound = request.to_string();
        let options = SealOptions::new()
            .associated_data(bound.as_bytes())
            .ttl(ANSWER_WITHIN);
        self.codec.as_ref()?.seal_json_with(&sealed, &options).ok()
    }

    /// Opens a state that was sealed for this request, once.
    pub(crate) fn open(&self, request: &Digest, state: &str) -> Result<Given, &'static str> {
        let bound = request.to_string();
        let codec = self
            .codec
            .as_ref()
            .ok_or("this server gives out no state")?;
        let sealed: Result<Sealed, _> = codec.open_json_with(state, bound.as_bytes());
        let sealed =
            sealed.map_err(|_| "the state is not one that was given out for this request")?;
        match self.spend(sealed.number) {
            true => Ok(sealed.answers),
            false => Err("the state was used before"),
        }
    }

    fn spend(&self, number: String) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        spent.retain(|_, at| now.duration_since(*at) < ANSWER_WITHIN);
        spent.len() < SPENT_MAX && spent.insert(number, now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_state_is_for_one_request_and_one_use() {
        let keeper = StateKeeper::new();
        let (mine, other) = (Digest::of(b"mine"), Digest::of(b"other"));
        let answers = Given::from([("name".to_owned(), json!({"action": "accept"}))]);
        let state = keeper.seal(&mine, &answers).unwrap();
        assert!(keeper.open(&other, &state).is_err());
        assert!(keeper.open(&mine, &format!("{state}x")).is_err());
        assert!(StateKeeper::new().open(&mine, &state).is_err());
        assert_eq!(keeper.open(&mine, &state).unwrap(), answers);
        assert_eq!(keeper.open(&mine, &state), Err("the state was used before"));
    }
}
