//! Lines: bytes in any split become whole, bounded, shallow UTF-8 lines, and the other way round.
//!
//! Whether a line is JSON is decided by [`message`](crate::message). Nothing here reads or writes;
//! the caller moves the bytes.

use serde::Serialize;

use crate::limits::{ChannelLimits, DEPTH_MAX};

/// What a decoder keeps between two messages at most, so that one large message is not paid for
/// until the channel closes.
const KEEP: usize = 64 * 1024;

/// Says why bytes are no message. Each of these ends the channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A message is nested too deeply.
    #[error("the message is nested more than {limit} deep")]
    #[non_exhaustive]
    TooDeep {
        /// The deepest nesting allowed.
        limit: usize,
    },
    /// A line is too long; the rest of it was never buffered.
    #[error("the message is longer than {limit} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The longest line allowed, in bytes.
        limit: usize,
    },
    /// A line is not UTF-8.
    #[error("the message is not UTF-8 (byte {at})")]
    #[non_exhaustive]
    NotUtf8 {
        /// The first byte of the line that is wrong.
        at: usize,
    },
    /// A value cannot be written as JSON.
    #[error("the message cannot be written: {problem}")]
    #[non_exhaustive]
    Unwritable {
        /// serde's explanation.
        problem: String,
    },
    /// The stream ended inside a message.
    #[error("the channel ended {bytes} bytes into a message")]
    #[non_exhaustive]
    Truncated {
        /// How much of the message had come.
        bytes: usize,
    },
}

impl FrameError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooDeep { .. } => "FRAME_TOO_DEEP",
            Self::TooLarge { .. } => "FRAME_TOO_LARGE",
            Self::NotUtf8 { .. } => "FRAME_NOT_UTF8",
            Self::Unwritable { .. } => "FRAME_UNWRITABLE",
            Self::Truncated { .. } => "FRAME_TRUNCATED",
        }
    }
}

/// Cuts a byte stream into lines. It holds at most one unfinished line and never more bytes than
/// the longest message allowed.
///
/// ```
/// use keyway_channel::{ChannelLimits, frame::FrameDecoder};
/// let mut decoder = FrameDecoder::new(ChannelLimits::default());
/// let mut seen = Vec::new();
/// for chunk in [&b"{\"a\":"[..], &b"1}\n{}\n"[..]] {
///     let mut input = chunk;
///     while let Some(line) = decoder.next_line(&mut input)? {
///         seen.push(line.to_owned());
///     }
/// }
/// decoder.finish()?;
/// assert_eq!(seen, ["{\"a\":1}", "{}"]);
/// # Ok::<(), keyway_channel::frame::FrameError>(())
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    carry: Vec<u8>,
    limit: usize,
    /// The carry was handed out as a line and is cleared before the next byte.
    is_spent: bool,
    failed: Option<FrameError>,
}

impl FrameDecoder {
    /// Makes a decoder for messages of at most `limits.frame` bytes.
    #[must_use]
    pub fn new(limits: ChannelLimits) -> Self {
        Self {
            carry: Vec::new(),
            limit: limits.frame,
            is_spent: false,
            failed: None,
        }
    }

    /// Takes the next whole line out of `input` and moves `input` past it; `None` when all of
    /// `input` was taken in and no line is complete.
    ///
    /// A line is returned without its line feed and otherwise byte for byte.
    ///
    /// # Errors
    /// [`FrameError`]; from then on every call returns the same error.
    pub fn next_line<'a, 'c: 'a>(
        &'a mut self,
        input: &mut &'c [u8],
    ) -> Result<Option<&'a str>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.forget_spent();
        let bytes = *input;
        let end = memchr::memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        *input = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
        if self.carry.len() + part.len() > self.limit {
            return Err(self.fail(FrameError::TooLarge { limit: self.limit }));
        }
        if end.is_none() {
            self.take_in(part);
            return Ok(None);
        }
        if self.carry.is_empty() {
            return match checked(part) {
                Ok(line) => Ok(Some(line)),
                Err(error) => Err(self.fail(error)),
            };
        }
        self.take_in(part);
        self.is_spent = true;
        if let Err(error) = checked(&self.carry) {
            return Err(self.fail(error));
        }
        // Checked above; a second look costs less than `unsafe` would.
        Ok(std::str::from_utf8(&self.carry).ok())
    }

    /// Says that the stream has ended.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] when a message was under way, or the error that came before.
    pub fn finish(&mut self) -> Result<(), FrameError> {
        self.forget_spent();
        match (&self.failed, self.carry.len()) {
            (Some(error), _) => Err(error.clone()),
            (None, 0) => Ok(()),
            (None, bytes) => Err(self.fail(FrameError::Truncated { bytes })),
        }
    }

    /// Returns how many bytes of memory the decoder holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.carry.capacity()
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.carry = Vec::new();
        self.failed = Some(error.clone());
        error
    }

    fn forget_spent(&mut self) {
        if std::mem::take(&mut self.is_spent) {
            self.carry.clear();
            self.carry.shrink_to(KEEP);
        }
    }

    /// Appends without ever holding more than the limit.
    fn take_in(&mut self, part: &[u8]) {
        let needed = self.carry.len() + part.len();
        if needed > self.carry.capacity() {
            let wanted = needed.max(2 * self.carry.capacity()).min(self.limit);
            self.carry.reserve_exact(wanted - self.carry.len());
        }
        self.carry.extend_from_slice(part);
    }
}

/// Appends one message to `out` as a line, its line feed included.
///
/// Line feeds between the tokens of raw JSON become spaces; inside a string JSON has none.
///
/// # Errors
/// [`FrameError::TooLarge`], [`FrameError::TooDeep`], [`FrameError::Unwritable`]; `out` is then as
/// it was.
pub fn encode<T: Serialize + ?Sized>(
    message: &T,
    limits: ChannelLimits,
    out: &mut Vec<u8>,
) -> Result<(), FrameError> {
    encode_with(limits, out, |out| serde_json::to_writer(out, message))
}

/// Does the same for a message that is written by hand.
pub(crate) fn encode_with(
    limits: ChannelLimits,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> Result<(), FrameError> {
    let start = out.len();
    let written = write(out)
        .map_err(|e| FrameError::Unwritable {
            problem: e.to_string(),
        })
        .and_then(|()| tidy(&mut out[start..], limits.frame));
    match written {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
    written
}

fn tidy(line: &mut [u8], limit: usize) -> Result<(), FrameError> {
    if line.len() > limit {
        return Err(FrameError::TooLarge { limit });
    }
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\n', &line[from..]) {
        line[from + at] = b' ';
        from += at + 1;
    }
    check_depth(line)
}

fn checked(line: &[u8]) -> Result<&str, FrameError> {
    let text = std::str::from_utf8(line).map_err(|e| FrameError::NotUtf8 {
        at: e.valid_up_to(),
    })?;
    check_depth(line)?;
    Ok(text)
}

/// Counts brackets outside strings. serde_json skips raw values without recursion, so depth would
/// otherwise be found out only by whoever parses them later.
fn check_depth(line: &[u8]) -> Result<(), FrameError> {
    if opens(line) <= DEPTH_MAX {
        // Most messages: so few brackets in all that no nesting is too deep.
        return Ok(());
    }
    let (mut depth, mut in_string, mut is_escaped) = (0usize, false, false);
    for byte in line {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(FrameError::TooDeep { limit: DEPTH_MAX });
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Counts what opens an object or a list, in strings too.
fn opens(line: &[u8]) -> usize {
    // The brace and the bracket differ in one bit. Eight-bit sums of short pieces are what the
    // compiler makes wide instructions of.
    let opens = |byte: &u8| u8::from(byte | 0x20 == b'{');
    let pieces = line.chunks(128);
    pieces
        .map(|piece| usize::from(piece.iter().map(opens).sum::<u8>()))
        .sum()
}
