//! A model behind an OpenAI-compatible chat endpoint.
//!
//! The HTTP client blocks, so each request runs on a blocking thread and hands its text over
//! piece by piece. Dropping the future closes that channel, and the thread stops reading.

use std::io::Read;
use std::time::Duration;

use keyway_host::model::ModelTools;
use keyway_plugin_api::async_trait;
use serde_json::Value;
use tokio::sync::mpsc;
use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body};

use super::chat::{self, Assembler, ChunkError, Finish};
use super::endpoint::Endpoint;
use super::sse::SseReader;
use super::{Conversation, Model, ModelError, ModelTurn, OnText};

/// How long to wait before each further try, when the endpoint does not say.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// Longest wait that an endpoint may ask for.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest answer, in bytes.
const ANSWER_MAX: u64 = 16 << 20;
/// How much of an error body is read, in bytes.
const ERROR_MAX: u64 = 64 << 10;
/// How much of an error body is shown, in characters.
const SHOWN_MAX: usize = 300;

/// Asks an OpenAI-compatible chat endpoint.
#[derive(Debug)]
pub(crate) struct OpenAiModel {
    endpoint: Endpoint,
    agent: Agent,
    stream: bool,
}

impl OpenAiModel {
    /// Prepares to ask; sends nothing yet.
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(120)))
            .timeout_per_read(Some(Duration::from_secs(60)));
        if endpoint.is_local {
            config = config.proxy(None);
        }
        Self {
            endpoint,
            agent: config.build().into(),
            stream: true,
        }
    }

    async fn ask(
        &self,
        body: String,
        tools: &ModelTools,
        on_text: OnText<'_>,
    ) -> Result<ModelTurn, Failure> {
        let (pieces, mut incoming) = mpsc::channel::<String>(64);
        let (agent, endpoint) = (self.agent.clone(), self.endpoint.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let mut send = |text: String| text.is_empty() || pieces.blocking_send(text).is_ok();
            Exchange::new(&endpoint).run(&agent, &body, &mut send)
        });
        while let Some(text) = incoming.recv().await {
            on_text(&text);
        }
        let assembler = answer
            .await
            .map_err(|e| Failure::Final(ModelError::Bug(e.to_string())))??;
        let exchange = Exchange::new(&self.endpoint);
        assembler.into_turn(tools).map_err(|e| exchange.misfit(e))
    }
}

#[async_trait]
impl Model for OpenAiModel {
    fn name(&self) -> String {
        self.endpoint.to_string()
    }

    async fn next(
        &mut self,
        conversation: &Conversation,
        tools: &ModelTools,
        on_text: OnText<'_>,
    ) -> Result<ModelTurn, ModelError> {
        let mut waits = WAITS.into_iter();
        loop {
            let model = &self.endpoint.model;
            let body = chat::request(model, conversation, tools, self.stream);
            match self.ask(body.to_string(), tools, on_text).await {
                Ok(turn) => return Ok(turn),
                Err(Failure::NoStream(_)) if self.stream => self.stream = false,
                Err(Failure::Busy(error, asked)) => {
                    let wait = waits.next().map(|usual| asked.unwrap_or(usual));
                    match wait.filter(|wait| *wait <= WAIT_MAX) {
                        Some(wait) => tokio::time::sleep(wait).await,
                        None => return Err(error),
                    }
                }
                Err(Failure::Final(error) | Failure::NoStream(error)) => return Err(error),
            }
        }
    }
}

/// What an unsuccessful request means for the next one.
#[derive(Debug)]
enum Failure {
    /// Trying again after a while can help; the endpoint may say after how long.
    Busy(ModelError, Option<Duration>),
    /// Trying again does not help.
    Final(ModelError),
    /// The endpoint does not stream.
    NoStream(ModelError),
}

/// One request and its answer.
struct Exchange<'a> {
    endpoint: &'a Endpoint,
}

impl<'a> Exchange<'a> {
    fn new(endpoint: &'a Endpoint) -> Self {
        Self { endpoint }
    }

    fn run(
        &self,
        agent: &Agent,
        body: &str,
        on_text: &mut dyn FnMut(String) -> bool,
    ) -> Result<Assembler, Failure> {
        let mut request = agent
            .post(&self.endpoint.chat_url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream, application/json");
        if let Some(key) = &self.endpoint.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        let response = request.send(body).map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(self.refused(response));
        }
        let assembler = if is_event_stream(response.headers()) {
            self.read_stream(response, on_text)?
        } else {
            self.read_whole(response, on_text)?
        };
        self.complete(assembler)
    }

    fn read_stream(
        &self,
        mut response: Response<Body>,
        on_text: &mut dyn FnMut(String) -> bool,
    ) -> Result<Assembler, Failure> {
        let mut body = response.body_mut().with_config().limit(ANSWER_MAX).reader();
        let mut sse = SseReader::default();
        let mut assembler = Assembler::default();
        let mut buffer = [0; 8192];
        loop {
            let count = body
                .read(&mut buffer)
                .map_err(|e| self.cut(&e.to_string()))?;
            let events = match count {
                0 => sse.finish().map(|last| last.into_iter().collect()),
                _ => sse.feed(&buffer[..count]),
            };
            let events = events.map_err(|e| self.malformed(&format!("event stream: {e:?}")))?;
            for event in events {
                if event.trim() == "[DONE]" {
                    return Ok(assembler);
                }
                let text = assembler.take(&event).map_err(|e| self.misfit(e))?;
                if !on_text(text) {
                    return Err(self.cut("nobody is listening any more"));
                }
            }
            if count == 0 {
                return match assembler.finish_reason() {
                    Some(_) => Ok(assembler),
                    None => Err(self.cut("the stream ended without a finish_reason")),
                };
            }
        }
    }

    fn read_whole(
        &self,
        mut response: Response<Body>,
        on_text: &mut dyn FnMut(String) -> bool,
    ) -> Result<Assembler, Failure> {
        let body = response.body_mut().with_config().limit(ANSWER_MAX);
        let body = body.read_to_vec().map_err(|e| self.cut(&e.to_string()))?;
        let text = String::from_utf8_lossy(&body);
        let mut assembler = Assembler::default();
        let said = assembler.take(&text).map_err(|e| self.misfit(e))?;
        if assembler.finish_reason().is_none() {
            return Err(self.malformed("it holds no choice with a finish_reason"));
        }
        on_text(said);
        Ok(assembler)
    }

    fn complete(&self, assembler: Assembler) -> Result<Assembler, Failure> {
        if let Some(refusal) = assembler.refusal() {
            let detail = self.shown(refusal);
            return Err(Failure::Final(ModelError::Withheld { detail }));
        }
        match assembler.finish_reason() {
            Some(Finish::Filtered) => Err(Failure::Final(ModelError::Withheld {
                detail: "finish_reason is content_filter".to_owned(),
            })),
            Some(Finish::Length) => Err(Failure::Final(ModelError::OutputLimit)),
            Some(Finish::Said) | None => Ok(assembler),
        }
    }

    fn refused(&self, mut response: Response<Body>) -> Failure {
        let status = response.status().as_u16();
        let asked = retry_after(response.headers());
        let body = response.body_mut().with_config().limit(ERROR_MAX);
        let body = body.read_to_vec().unwrap_or_default();
        let detail = self.detail(&body);
        let url = self.url();
        match status {
            400 | 422 if detail.contains("stream") => Failure::NoStream(ModelError::Status {
                url,
                status,
                detail,
            }),
            401 | 403 => Failure::Final(ModelError::KeyRefused {
                url,
                status,
                detail,
            }),
            404 => Failure::Final(ModelError::NotFound {
                url,
                model: self.endpoint.model.clone(),
                detail,
            }),
            429 => Failure::Busy(ModelError::RateLimited { url, detail }, asked),
            502..=504 => Failure::Busy(
                ModelError::Status {
                    url,
                    status,
                    detail,
                },
                asked,
            ),
            _ => Failure::Final(ModelError::Status {
                url,
                status,
                detail,
            }),
        }
    }

    fn detail(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        match serde_json::from_str::<Value>(&text) {
            Ok(json) => self.shown(&chat::error_text(&json)),
            Err(_) if text.trim().is_empty() => "no explanation".to_owned(),
            Err(_) => self.shown(&text),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Final(ModelError::Unreachable {
            url: self.url(),
            problem: self.shown(&error.to_string()),
        })
    }

    fn cut(&self, problem: &str) -> Failure {
        Failure::Final(ModelError::Cut {
            url: self.url(),
            problem: self.shown(problem),
        })
    }

    fn malformed(&self, problem: &str) -> Failure {
        Failure::Final(ModelError::Malformed {
            url: self.url(),
            problem: self.shown(problem),
        })
    }

    fn misfit(&self, error: ChunkError) -> Failure {
        match error {
            ChunkError::Malformed(problem) => self.malformed(&problem),
            ChunkError::Reported(detail) => Failure::Final(ModelError::Status {
                url: self.url(),
                status: 200,
                detail: self.shown(&detail),
            }),
        }
    }

    fn url(&self) -> String {
        self.endpoint.chat_url.clone()
    }

    /// Makes a text from outside fit for the terminal: no key, no control characters, not long.
    fn shown(&self, text: &str) -> String {
        let clean = self.endpoint.without_key(text);
        let words: Vec<&str> = clean
            .split(|c: char| c.is_control() || c.is_whitespace())
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ").chars().take(SHOWN_MAX).collect()
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/event-stream"))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}
