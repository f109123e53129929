//! The transport of a child process: one JSON message on each line.

use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ErrorData, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use serde::Deserialize as _;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

use super::shelf::Shelf;

/// Longest message of a server, in bytes.
pub(crate) const LINE_MAX: usize = 16 * 1024 * 1024;
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Reads and writes lines, and looks at each message as plain JSON first.
pub(crate) struct Lines {
    reader: Reader,
    writer: Arc<Mutex<Option<Writer>>>,
    shelf: Arc<Shelf>,
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line's end.
    searched: usize,
    is_skipping: bool,
}

impl Lines {
    pub(crate) fn new(reader: Reader, writer: Writer, shelf: Arc<Shelf>) -> Self {
        Self {
            reader,
            writer: Arc::new(Mutex::new(Some(writer))),
            shelf,
            buffer: Vec::new(),
            searched: 0,
            is_skipping: false,
        }
    }

    /// Reads to the next line's end; `None` at the end. What was read stays in the buffer when the
    /// future is dropped. A line that is too long is skipped.
    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                let end = self.searched + at;
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                self.searched = 0;
                if std::mem::take(&mut self.is_skipping) {
                    continue;
                }
                return Some(line);
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_MAX {
                self.buffer.clear();
                self.searched = 0;
                self.is_skipping = true;
            }
            self.buffer.reserve(CHUNK);
            let read = self.reader.read_buf(&mut self.buffer).await;
            read.ok().filter(|n| *n > 0)?;
        }
    }

    fn message(&self, line: &[u8]) -> Option<ServerJsonRpcMessage> {
        // What is no JSON is a server's log in the wrong place; it is nothing to answer.
        let mut value = super::salvage::message(line)?;
        self.shelf.look_at(&mut value);
        match ServerJsonRpcMessage::deserialize(&value) {
            Ok(message) => Some(message),
            Err(error) => unreadable(&value, &error),
        }
    }
}

/// Turns an answer that cannot be read into an error for whoever waits for it.
fn unreadable(value: &Value, error: &serde_json::Error) -> Option<ServerJsonRpcMessage> {
    if value.get("method").is_some() {
        return None;
    }
    let id = serde_json::from_value(value.get("id")?.clone()).ok()?;
    let why = format!("the answer cannot be read: {error}");
    Some(ServerJsonRpcMessage::error(
        ErrorData::internal_error(why, None),
        Some(id),
    ))
}

impl Transport<RoleClient> for Lines {
    type Error = std::io::Error;

    fn send(
        &mut self,
        item: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let writer = Arc::clone(&self.writer);
        async move {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            let mut writer = writer.lock().await;
            let writer = writer.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
            writer.write_all(&line).await?;
            writer.flush().await
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            let line = self.line().await?;
            if let Some(message) = self.message(&line) {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        // The end of its input is what tells a server to go.
        drop(self.writer.lock().await.take());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn messages(input: &'static [u8]) -> Vec<String> {
        let mut lines = Lines::new(Box::new(input), Box::new(tokio::io::sink()), Arc::default());
        let mut seen = Vec::new();
        while let Some(message) = lines.receive().await {
            seen.push(serde_json::to_string(&message).unwrap());
        }
        seen
    }

    #[tokio::test]
    async fn skips_what_is_no_message() {
        let seen =
            messages(b"starting up...\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n\n[1]\n")
                .await;
        assert_eq!(seen, ["{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"]);
    }

    #[tokio::test]
    async fn an_unreadable_answer_is_an_error_for_its_request() {
        let seen = messages(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"no\"}\n").await;
        assert!(seen[0].contains("cannot be read"), "{seen:?}");
    }

    #[tokio::test]
    async fn a_line_without_end_is_dropped_and_costs_no_more_than_the_limit() {
        struct Endless(usize);
        impl AsyncRead for Endless {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                if self.0 > 0 {
                    let bytes = vec![b'x'; buffer.remaining()];
                    self.0 = self.0.saturating_sub(bytes.len());
                    buffer.put_slice(&bytes);
                }
                std::task::Poll::Ready(Ok(()))
            }
        }
        let input = Endless(3 * LINE_MAX);
        let mut lines = Lines::new(Box::new(input), Box::new(tokio::io::sink()), Arc::default());
        assert!(lines.receive().await.is_none());
        assert!(lines.buffer.capacity() <= 3 * LINE_MAX);
    }
}
