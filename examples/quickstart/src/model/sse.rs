//! Server-sent events out of bytes, however the network cut them.

/// Longest line and longest event, in bytes.
const EVENT_MAX: usize = 4 << 20;

/// Collects bytes and gives back the data of every event that is complete.
#[derive(Debug, Default)]
pub(super) struct SseReader {
    line: Vec<u8>,
    data: Option<String>,
    skip_newline: bool,
}

/// Says that the bytes are no event stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SseError {
    NotText,
    TooLong,
}

impl SseReader {
    /// Takes the next bytes and returns the data of the events they complete.
    ///
    /// # Errors
    /// [`SseError`] when a line is not UTF-8 or an event grows beyond the limit.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, SseError> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.skip_newline, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ if self.line.len() >= EVENT_MAX => return Err(SseError::TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    /// Takes the end of the bytes: some servers leave out the last empty line.
    ///
    /// # Errors
    /// As [`SseReader::feed`].
    pub(super) fn finish(&mut self) -> Result<Option<String>, SseError> {
        self.end_line()?;
        Ok(self.data.take())
    }

    fn end_line(&mut self) -> Result<Option<String>, SseError> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8(line).map_err(|_| SseError::NotText)?;
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field.trim_start_matches('\u{feff}') == "data" {
            self.add_data(value.strip_prefix(' ').unwrap_or(value))?;
        }
        Ok(None)
    }

    fn add_data(&mut self, value: &str) -> Result<(), SseError> {
        let Some(data) = &mut self.data else {
            self.data = Some(value.to_owned());
            return Ok(());
        };
        if data.len() + value.len() >= EVENT_MAX {
            return Err(SseError::TooLong);
        }
        data.push('\n');
        data.push_str(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{SseError, SseReader};

    #[track_caller]
    fn events(stream: &str) -> Vec<String> {
        let mut reader = SseReader::default();
        let mut all = reader.feed(stream.as_bytes()).unwrap();
        all.extend(reader.finish().unwrap());
        // The same bytes one by one give the same events.
        let mut reader = SseReader::default();
        let mut single = Vec::new();
        for byte in stream.as_bytes() {
            single.extend(reader.feed(&[*byte]).unwrap());
        }
        single.extend(reader.finish().unwrap());
        assert_eq!(single, all);
        all
    }

    #[test]
    fn events_come_out_whatever_ends_their_lines() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", &["a", "b"][..]),
            ("data: a\r\n\r\ndata:b\r\n\r\n", &["a", "b"]),
            ("data: a\r\rdata: b\r\r", &["a", "b"]),
            ("\u{feff}data: a\n\n", &["a"]),
            (": ping\n\nevent: x\ndata: a\nid: 1\n\n", &["a"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            ("data: {\"k\":\"ä…😀\"}\n\n", &["{\"k\":\"ä…😀\"}"]),
            (
                "data: a\n\ndata: last without end",
                &["a", "last without end"],
            ),
            ("data\n\n", &[""]),
            ("\n\n\n", &[]),
        ] {
            assert_eq!(events(stream), expected, "{stream:?}");
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let mut reader = SseReader::default();
        assert_eq!(reader.feed(b"data: \xff\n"), Err(SseError::NotText));
        let mut reader = SseReader::default();
        let long = vec![b'x'; super::EVENT_MAX + 1];
        assert_eq!(reader.feed(&long), Err(SseError::TooLong));
    }
}
