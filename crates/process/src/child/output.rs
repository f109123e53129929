//! What a process writes to its standard output and standard error: kept in part, obeyed never.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_host::text::printable;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe::Receiver;

/// Bytes of lines that are kept.
const KEPT_BYTES: usize = 64 * 1024;
/// Bytes of one line that are kept; the rest of it is dropped.
const LINE_BYTES: usize = 4 * 1024;
/// Lines that go with a failure.
const LAST_LINES: usize = 64;
/// Bytes that are read in each [`PERIOD`]; a process that writes more waits, as at any slow pipe.
const PERIOD_BYTES: usize = 256 * 1024;
const PERIOD: Duration = Duration::from_millis(100);

/// The last lines of one process.
#[derive(Debug, Default)]
pub(crate) struct Output(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Output {
    /// Returns the last lines, oldest first, with nothing in them that acts on a terminal.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = ring.lines.len().saturating_sub(LAST_LINES);
        ring.lines.iter().skip(skipped).cloned().collect()
    }

    fn push(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let line = printable(text.trim_end_matches('\r')).into_owned();
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += line.len();
        ring.lines.push_back(line);
        while ring.bytes > KEPT_BYTES {
            let Some(first) = ring.lines.pop_front() else {
                break;
            };
            ring.bytes -= first.len();
        }
    }
}

/// Cuts bytes into bounded lines.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], output: &Output) {
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = LINE_BYTES.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(&part[..room]);
            if parts.peek().is_some() {
                output.push(&self.line);
                self.line.clear();
            }
        }
    }

    fn finish(&self, output: &Output) {
        if !self.line.is_empty() {
            output.push(&self.line);
        }
    }
}

/// Reads a pipe to its end.
pub(super) async fn drain(pipe: OwnedFd, output: Arc<Output>) {
    // A pipe that cannot be read says nothing; the process is no worse for it.
    let Ok(mut pipe) = Receiver::from_owned_fd(pipe) else {
        return;
    };
    let (mut lines, mut buffer) = (Lines::default(), vec![0; 16 * 1024]);
    let mut left = PERIOD_BYTES;
    let mut period = tokio::time::Instant::now() + PERIOD;
    while let Ok(count) = read(&mut pipe, &mut buffer).await {
        if count == 0 {
            break;
        }
        lines.take(&buffer[..count], &output);
        left = left.saturating_sub(count);
        let now = tokio::time::Instant::now();
        if left == 0 && now < period {
            tokio::time::sleep_until(period).await;
        }
        if left == 0 || now >= period {
            left = PERIOD_BYTES;
            period = tokio::time::Instant::now() + PERIOD;
        }
    }
    lines.finish(&output);
}

async fn read(pipe: &mut Receiver, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut buffer = ReadBuf::new(buffer);
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut *pipe).poll_read(cx, &mut buffer)).await?;
    Ok(buffer.filled().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_b7_lines_are_bounded_whatever_is_written() {
        let output = Output::default();
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            lines.take(&[b'x'; 10_000], &output);
        }
        assert!(lines.line.len() <= LINE_BYTES);
        lines.take(b"\n", &output);
        for number in 0..100_000 {
            lines.take(format!("\u{1b}[2J{number}\n").as_bytes(), &output);
        }
        let kept = output.last_lines();
        assert_eq!(kept.len(), LAST_LINES);
        assert_eq!(kept.last().map(String::as_str), Some(r"\u{1b}[2J99999"));
        let ring = output.0.lock().unwrap();
        assert!(ring.bytes <= KEPT_BYTES + LINE_BYTES);
        assert_eq!(
            ring.bytes,
            ring.lines.iter().map(String::len).sum::<usize>()
        );
    }

    #[test]
    fn lines_are_the_same_however_they_are_split() {
        let text = b"one\r\ntwo\n\nthree";
        let whole = Output::default();
        let mut lines = Lines::default();
        lines.take(text, &whole);
        lines.finish(&whole);
        let single = Output::default();
        let mut lines = Lines::default();
        text.iter().for_each(|byte| lines.take(&[*byte], &single));
        lines.finish(&single);
        assert_eq!(whole.last_lines(), ["one", "two", "", "three"]);
        assert_eq!(whole.last_lines(), single.last_lines());
    }
}
