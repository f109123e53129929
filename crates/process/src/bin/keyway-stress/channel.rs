//! The plugin's end of the channel, with blocking reads and writes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use keyway_channel::ChannelLimits;
use keyway_channel::frame::FrameDecoder;
use keyway_channel::handshake::Secret;
use keyway_channel::message::RawAnswer;

/// Takes over the two descriptors that a host leaves, if they are there.
pub(crate) fn inherited() -> Option<(UnixStream, Secret)> {
    if std::env::var_os("KEYWAY_CHANNEL")? != "fd:3" {
        return None;
    }
    #[expect(unsafe_code, reason = "inherited descriptors can only be owned so")]
    // SAFETY: the host promises these two numbers in the environment, and this runs once, at the
    // beginning of `main`, before anything else could have opened a descriptor with them.
    let (stream, secret) = unsafe { (OwnedFd::from_raw_fd(3), OwnedFd::from_raw_fd(4)) };
    let mut bytes = Vec::new();
    File::from(secret).read_to_end(&mut bytes).ok()?;
    Some((UnixStream::from(stream), Secret::take(&mut bytes)?))
}

/// Returns the numbers of all open descriptors. In a jail there is no `/proc` to look at.
pub(crate) fn open_descriptors() -> Vec<i32> {
    let is_open = |number: &i32| {
        #[expect(
            unsafe_code,
            reason = "a number can only be borrowed so; it is looked at and not kept"
        )]
        // SAFETY: no number is -1, and the borrow ends with this statement; a closed number is
        // answered with an error.
        let borrowed = unsafe { BorrowedFd::borrow_raw(*number) };
        rustix::io::fcntl_getfd(borrowed).is_ok()
    };
    (0..1024).filter(is_open).collect()
}

/// The channel: one reader, writers in any thread.
pub(crate) struct Channel {
    stream: UnixStream,
    reading: Mutex<Reading>,
    asked: AtomicU64,
    answers: Mutex<HashMap<u64, mpsc::Sender<RawAnswer>>>,
    /// The tools that the host expects, as it said with `ready`.
    pub(crate) tools_expected: Option<String>,
}

struct Reading {
    decoder: FrameDecoder,
    rest: Vec<u8>,
}

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            reading: Mutex::new(Reading {
                decoder: FrameDecoder::new(ChannelLimits::default()),
                rest: Vec::new(),
            }),
            asked: AtomicU64::new(0),
            answers: Mutex::default(),
            tools_expected: None,
        }
    }

    /// Reads the next line; `None` at the end.
    pub(crate) fn line(&self) -> Option<String> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let Reading { decoder, rest } = &mut *reading;
        loop {
            let mut input = rest.as_slice();
            let line = decoder.next_line(&mut input).ok()?.map(str::to_owned);
            let taken = rest.len() - input.len();
            rest.drain(..taken);
            if line.is_some() {
                return line;
            }
            let mut buffer = [0; 8192];
            match (&self.stream).read(&mut buffer).ok()? {
                0 => return None,
                count => rest.extend_from_slice(buffer.get(..count)?),
            }
        }
    }

    /// Writes a line. A host that is gone ends the program soon by the end of the input.
    pub(crate) fn say(&self, line: &str) {
        self.raw(&[line.as_bytes(), b"\n"].concat());
    }

    /// Writes bytes as they are, in one piece.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let _whole = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // See `say`.
        let _ = (&self.stream).write_all(bytes);
    }

    /// Asks the host for something and waits for the answer.
    pub(crate) fn ask(&self, method: &str, params: &serde_json::Value) -> Option<RawAnswer> {
        let id = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = mpsc::channel();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(id, answer);
        drop(answers);
        let line = serde_json::json!({
            "jsonrpc": "2.0", "id": format!("p{id}"), "method": method, "params": params,
        });
        self.say(&line.to_string());
        answered.recv().ok()
    }

    /// Hands an answer of the host to who asked.
    pub(crate) fn answered(&self, id: u64, answer: RawAnswer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = answers.remove(&id) {
            // The thread that asked may be gone.
            let _ = waiting.send(answer);
        }
    }

    pub(crate) fn close(&self) {
        // It may be closed already.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
