//! A chat endpoint on this machine that speaks the OpenAI API, well or badly, as a test tells it.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// A running endpoint; it answers request after request from its script.
pub(crate) struct ChatServer {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What a client sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

/// What the endpoint answers.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A turn as an event stream.
    Stream(Turn, Delivery),
    /// A turn as one JSON document.
    Whole(Turn),
    /// A status with headers and a body.
    Status(u16, &'static str, String),
    /// A body that says it is an event stream.
    Events(String),
    /// A turn as an event stream whose second half waits for the gate.
    Held(Turn, Arc<Gate>),
}

/// Holds an answer back until a test opens it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    /// Waits, but not for ever: a client that reads to the end first is to fail, not to hang.
    fn wait(&self) -> bool {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Duration::from_secs(60);
        let waited = self
            .opened
            .wait_timeout_while(is_open, patience, |open| !*open);
        waited.is_ok_and(|(open, _)| *open)
    }
}

/// How a stream travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// One HTTP chunk for each event.
    Chunks,
    /// One HTTP chunk and one write for each byte.
    Bytes,
    /// The connection drops in the middle of the second half.
    Cut,
}

/// What the model says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    text: String,
    calls: Vec<(String, String)>,
}

impl Turn {
    pub(crate) fn says(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            calls: Vec::new(),
        }
    }

    pub(crate) fn calls(mut self, wire_name: &str, arguments: &dyn Display) -> Self {
        let call = (wire_name.to_owned(), arguments.to_string());
        self.calls.push(call);
        self
    }

    pub(crate) fn streamed(self) -> Reply {
        Reply::Stream(self, Delivery::Chunks)
    }

    fn finish_reason(&self) -> &'static str {
        if self.calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        }
    }

    fn whole(&self) -> Value {
        let calls: Vec<Value> = self
            .calls
            .iter()
            .enumerate()
            .map(|(i, (name, arguments))| {
                json!({ "id": format!("call_{i}"), "type": "function",
                        "function": { "name": name, "arguments": arguments } })
            })
            .collect();
        let mut message = json!({ "role": "assistant", "content": self.text });
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        json!({ "object": "chat.completion", "choices": [
            { "index": 0, "message": message, "finish_reason": self.finish_reason() }] })
    }

    /// Every event of the stream: text word by word, arguments three characters at a time, the
    /// pieces of several calls interleaved.
    fn events(&self) -> Vec<Value> {
        let mut deltas = vec![json!({ "role": "assistant", "content": "" })];
        deltas.extend(
            self.text
                .split_inclusive(' ')
                .map(|w| json!({ "content": w })),
        );
        for (i, (name, _)) in self.calls.iter().enumerate() {
            deltas.push(
                json!({ "tool_calls": [{ "index": i, "id": format!("call_{i}"),
                "type": "function", "function": { "name": name, "arguments": "" } }] }),
            );
        }
        deltas.extend(self.argument_pieces());
        let mut events: Vec<Value> = deltas
            .into_iter()
            .map(|delta| json!({ "choices": [{ "index": 0, "delta": delta }] }))
            .collect();
        let finish = json!({ "index": 0, "delta": {}, "finish_reason": self.finish_reason() });
        events.push(json!({ "choices": [finish] }));
        events.push(json!({ "choices": [], "usage": { "total_tokens": 1 } }));
        events
    }

    fn lines(&self) -> Vec<String> {
        let events = self.events().into_iter();
        let lines = events.map(|event| format!("data: {event}\n\n"));
        lines.chain(["data: [DONE]\n\n".to_owned()]).collect()
    }

    fn argument_pieces(&self) -> Vec<Value> {
        let mut rest: Vec<Vec<char>> = self.calls.iter().map(|c| c.1.chars().collect()).collect();
        let mut pieces = Vec::new();
        while rest.iter().any(|r| !r.is_empty()) {
            for (i, left) in rest.iter_mut().enumerate().filter(|(_, r)| !r.is_empty()) {
                let piece: String = left.drain(..left.len().min(3)).collect();
                let call = json!({ "index": i, "function": { "arguments": piece } });
                pieces.push(json!({ "tool_calls": [call] }));
            }
        }
        pieces
    }
}

impl ChatServer {
    /// Starts an endpoint that gives these replies in order, and 500 once they are used up.
    #[track_caller]
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = Arc::clone(&requests);
        // Ends with the test process; a client that goes away early is that client's business.
        std::thread::spawn(move || {
            let mut replies = replies.into_iter();
            for stream in listener.incoming().flatten() {
                let _client_gone = serve(stream, &seen, &mut replies);
            }
        });
        Self { address, requests }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.clone()
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns what the client says the tools gave back, oldest first.
    pub(crate) fn tool_results(&self) -> Vec<String> {
        let messages = self.body["messages"].as_array().into_iter().flatten();
        messages
            .filter(|m| m["role"] == "tool")
            .map(|m| m["content"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

fn serve(
    stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    replies: &mut impl Iterator<Item = Reply>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = read_request(&mut reader)?;
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let used_up = Reply::Status(500, "", "the script is used up".to_owned());
    write_reply(stream, replies.next().unwrap_or(used_up))
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Request> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((key, value)) => headers.push((key.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request {
        path,
        headers,
        body: Value::Null,
    };
    let length = request
        .header("content-length")
        .and_then(|v| v.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    request.body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(request)
}

fn write_reply(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Stream(turn, delivery) => write_stream(&mut stream, &turn.lines(), delivery),
        Reply::Held(turn, gate) => write_held(&mut stream, &turn.lines(), &gate),
        Reply::Events(body) => write_stream(&mut stream, &[body], Delivery::Chunks),
        Reply::Whole(turn) => write_whole(&mut stream, 200, "", &turn.whole().to_string()),
        Reply::Status(status, headers, body) => write_whole(&mut stream, status, headers, &body),
    }
}

fn write_whole(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    body: &str,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
    )
}

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";

fn write_held(stream: &mut TcpStream, events: &[String], gate: &Gate) -> std::io::Result<()> {
    stream.write_all(STREAM_HEAD)?;
    let (first, second) = events.split_at(events.len() / 2);
    chunk(stream, first.concat().as_bytes())?;
    if !gate.wait() {
        return Ok(()); // the answer stays cut
    }
    chunk(stream, second.concat().as_bytes())?;
    stream.write_all(b"0\r\n\r\n")
}

fn write_stream(
    stream: &mut TcpStream,
    events: &[String],
    delivery: Delivery,
) -> std::io::Result<()> {
    stream.write_all(STREAM_HEAD)?;
    let whole = events.concat();
    match delivery {
        Delivery::Chunks => events
            .iter()
            .try_for_each(|e| chunk(stream, e.as_bytes()))?,
        Delivery::Bytes => whole
            .as_bytes()
            .chunks(1)
            .try_for_each(|b| chunk(stream, b))?,
        Delivery::Cut => return chunk(stream, &whole.as_bytes()[..whole.len() * 2 / 3]),
    }
    stream.write_all(b"0\r\n\r\n")
}

fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    write!(stream, "{:x}\r\n", bytes.len())?;
    stream.write_all(bytes)?;
    stream.write_all(b"\r\n")
}
