//! Calls and their outputs, the lines that travel most, read and written by their fixed parts.
//!
//! Such a line has one plain spelling: the one that is written here. A line that is spelled
//! otherwise means the same and is left to the long way, which takes every line.

use std::borrow::Cow;

use keyway_plugin_api::ToolOutput;
use serde::Deserialize as _;
use serde_json::value::RawValue;

use super::id::{HostRequestId, number};
use crate::frame::{FrameError, encode_with};
use crate::limits::ChannelLimits;

const BEGIN: &str = r#"{"jsonrpc":"2.0","id":"#;
const NAME: &str = r#","method":"tools/call","params":{"name":"#;
const ARGUMENTS: &str = r#","arguments":"#;
const CALL: &str = r#","_meta":{"dev.keyway/call":{"call":"#;
const DEADLINE: &str = r#","deadline_ms":"#;
const CALLER: &str = r#","caller":"#;
const CALL_END: &str = "}}}}";
const TEXT: &str = r#","result":{"output":{"kind":"text","text":"#;
const JSON: &str = r#","result":{"output":{"kind":"json","value":"#;
const OUTPUT_END: &str = "}}}";

/// One call of a tool, as its caller has it.
///
/// ```
/// use keyway_channel::ChannelLimits;
/// use keyway_channel::message::{FromHost, HostRequestId, ToolCallRef};
/// let call = ToolCallRef {
///     name: "search",
///     arguments: serde_json::from_str(r#"{"for":"owls"}"#)?,
///     call: 17,
///     deadline_ms: i64::MAX,
///     caller: "acme/team/agent",
/// };
/// let mut line = Vec::new();
/// call.encode(HostRequestId(5), ChannelLimits::default(), &mut line)?;
/// let message = FromHost::parse(std::str::from_utf8(&line)?)?;
/// assert!(matches!(message, FromHost::Request { id: HostRequestId(5), .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct ToolCallRef<'a> {
    /// The tool's name inside its plugin.
    pub name: &'a str,
    /// The arguments, as raw JSON.
    pub arguments: &'a RawValue,
    /// Number of the call, unique while the host runs.
    pub call: u64,
    /// When the call must have ended, in Unix milliseconds; `i64::MAX` (left out on the wire) for
    /// never.
    pub deadline_ms: i64,
    /// The agent that called, as `organisation/team/agent`.
    pub caller: &'a str,
}

impl<'a> ToolCallRef<'a> {
    /// Reads a whole line that calls a tool.
    pub(super) fn read(line: &'a str) -> Option<(HostRequestId, Self)> {
        let mut rest = Rest(line);
        rest.skip(BEGIN)?;
        let id = HostRequestId(rest.number()?);
        rest.skip(NAME)?;
        let name = rest.text()?;
        rest.skip(ARGUMENTS)?;
        let arguments = rest.value()?;
        rest.skip(CALL)?;
        let call = rest.number()?;
        let deadline_ms = match rest.skip(DEADLINE) {
            Some(()) => i64::try_from(rest.number()?).ok()?,
            None => i64::MAX,
        };
        rest.skip(CALLER)?;
        let caller = rest.text()?;
        let read = Self {
            name,
            arguments,
            call,
            deadline_ms,
            caller,
        };
        (rest.0 == CALL_END).then_some((id, read))
    }

    /// Appends the call to `out` as one line.
    ///
    /// # Errors
    /// [`FrameError`] when the call cannot be sent; `out` is then as it was.
    pub fn encode(
        &self,
        id: HostRequestId,
        limits: ChannelLimits,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        encode_with(limits, out, |out| self.write(id, out))
    }

    fn write(&self, id: HostRequestId, out: &mut Vec<u8>) -> serde_json::Result<()> {
        put(BEGIN, out);
        serde_json::to_writer(&mut *out, &id)?;
        put(NAME, out);
        put_text(self.name, out)?;
        put(ARGUMENTS, out);
        put(self.arguments.get(), out);
        put(CALL, out);
        serde_json::to_writer(&mut *out, &self.call)?;
        if self.deadline_ms != i64::MAX {
            put(DEADLINE, out);
            serde_json::to_writer(&mut *out, &self.deadline_ms)?;
        }
        put(CALLER, out);
        put_text(self.caller, out)?;
        put(CALL_END, out);
        Ok(())
    }
}

/// Reads a whole line that answers a call with text or JSON.
pub(super) fn read_output(line: &str) -> Option<(HostRequestId, ToolOutput)> {
    let mut rest = Rest(line.strip_suffix(OUTPUT_END)?);
    rest.skip(BEGIN)?;
    let id = HostRequestId(rest.number()?);
    let output = match rest.skip(TEXT) {
        Some(()) => ToolOutput::Text(text_of(rest.0)?.into_owned()),
        None => {
            rest.skip(JSON)?;
            let value: &RawValue = serde_json::from_str(rest.0).ok()?;
            ToolOutput::Json(value.to_owned())
        }
    };
    Some((id, output))
}

/// What a line answers a call with, where there is a plain spelling of it.
pub(super) enum Plain<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

pub(super) fn write_output(
    id: HostRequestId,
    output: &Plain<'_>,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    put(BEGIN, out);
    serde_json::to_writer(&mut *out, &id)?;
    match output {
        Plain::Json(value) => {
            put(JSON, out);
            put(value.get(), out);
        }
        Plain::Text(text) => {
            put(TEXT, out);
            put_text(text, out)?;
        }
    }
    put(OUTPUT_END, out);
    Ok(())
}

/// What is left to read of a line.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, part: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(part)?;
        Some(())
    }

    /// Reads a positive number.
    fn number(&mut self) -> Option<u64> {
        let end = self.0.bytes().position(|b| !b.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        number(digits)
    }

    /// Reads a string that has no escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        let end = memchr::memchr(b'"', self.0.as_bytes())?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        self.skip("\"")?;
        is_plain(text).then_some(text)
    }

    /// Reads one value, whatever it is.
    fn value(&mut self) -> Option<&'a RawValue> {
        let mut reader = serde_json::Deserializer::from_str(self.0);
        let value = <&RawValue>::deserialize(&mut reader).ok()?;
        self.skip(value.get())?;
        Some(value)
    }
}

/// Reads JSON that is one string.
fn text_of(json: &str) -> Option<Cow<'_, str>> {
    let inside = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inside {
        Some(text) if is_plain(text) => Some(Cow::Borrowed(text)),
        _ => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

fn put(part: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(part.as_bytes());
}

fn put_text(text: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
    if !is_plain(text) {
        return serde_json::to_writer(out, text);
    }
    out.push(b'"');
    put(text, out);
    out.push(b'"');
    Ok(())
}

/// Tells whether a text stands in JSON as it is. It looks at every byte whatever it finds, which the
/// compiler makes wide instructions of.
fn is_plain(text: &str) -> bool {
    let is_odd = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    !text
        .bytes()
        .fold(false, |found, byte| found | is_odd(&byte))
}

#[cfg(test)]
mod tests {
    use keyway_plugin_api::{Content, ToolError};

    use super::*;
    use crate::message::{FromHost, FromPlugin, HostRequest, encode_output, output_from_result};

    /// Holds the short way with a call against the long one, which takes every line.
    #[track_caller]
    fn check_call(line: &str, is_plain: bool) {
        let read = ToolCallRef::read(line);
        assert_eq!(read.is_some(), is_plain, "{line}");
        if let Some((id, call)) = read {
            let request = HostRequest::CallTool(call.into());
            let short = FromHost::Request { id, request };
            let long = FromHost::parse_any(line).unwrap();
            assert_eq!(format!("{short:?}"), format!("{long:?}"), "{line}");
        }
    }

    /// Does the same with an output.
    #[track_caller]
    fn check_output(line: &str, is_plain: bool) {
        let read = read_output(line);
        assert_eq!(read.is_some(), is_plain, "{line}");
        if let Some((id, short)) = read {
            let long = FromPlugin::parse(line).unwrap();
            let FromPlugin::Answer { id: same, answer } = long else {
                panic!("{long:?}");
            };
            let long = output_from_result(&answer.unwrap()).unwrap();
            let shown = format!("{:?}", (same, long));
            assert_eq!(format!("{:?}", (id, short)), shown, "{line}");
        }
    }

    /// Replaces each part of a line by what is another one or none, and looks what becomes of it.
    #[track_caller]
    fn check_all(line: &str, check: fn(&str, bool), changes: &[(&str, &str, bool)]) {
        check(line, true);
        for (part, other, is_plain) in changes {
            assert!(line.contains(part), "{part}");
            check(&line.replacen(part, other, 1), *is_plain);
        }
    }

    #[test]
    fn a_call_is_the_same_message_whichever_way_it_is_read() {
        let line = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"search","arguments":{"a":[1.50,null]},"_meta":{"dev.keyway/call":{"call":7,"deadline_ms":9,"caller":"a/b/c"}}}}"#;
        let changes = [
            (r#""2.0""#, r#""1.0""#, false),
            (r#""id":5"#, r#""id":05"#, false),
            (r#""id":5"#, r#""id":0"#, false),
            (r#""id":5"#, r#""id":-1"#, false),
            (r#""id":5"#, r#""id":"p1""#, false),
            (r#""id":5"#, r#""id":99999999999999999999"#, false),
            (r#""id":5"#, r#""id":5,"id":6"#, false),
            ("search", r"s\u0065arch", false),
            ("search", "s\u{1}", false),
            ("search", "élan", true),
            ("search", r#"search","name":"x"#, false),
            (r#"{"a":[1.50,null]}"#, "null", true),
            (r#"{"a":[1.50,null]}"#, r#""}}}}\"""#, true),
            (r#"{"a":[1.50,null]}"#, "", false),
            (r#"{"a":[1.50,null]}"#, " 1", false),
            (r#"{"a":[1.50,null]}"#, "1 ", false),
            (r#"{"a":[1.50,null]}"#, "01", false),
            (r#"{"a":[1.50,null]}"#, "{}}", false),
            (r#"{"a":[1.50,null]}"#, r#"{},"new":1"#, false),
            (r#","deadline_ms":9"#, "", true),
            (r#","deadline_ms":9"#, r#","deadline_ms":-9"#, false),
            (r#","deadline_ms":9"#, r#","deadline_ms":1e3"#, false),
            (r#","caller":"a/b/c""#, "", false),
            ("}}}}", "}}}", false),
            ("}}}}", r#"}}},"result":{}}"#, false),
            ("}}}}", "}}}} ", false),
        ];
        check_all(line, check_call, &changes);
    }

    #[test]
    fn an_output_is_the_same_whichever_way_it_is_read() {
        let line =
            r#"{"jsonrpc":"2.0","id":5,"result":{"output":{"kind":"text","text":"so\nit is"}}}"#;
        let changes = [
            (r#""2.0""#, r#""1.0""#, false),
            (r#""id":5"#, r#""id":"p1""#, false),
            (r#""id":5"#, r#""id":5,"id":5"#, false),
            (r#""kind":"text""#, r#""kind":"json""#, false),
            (r#""so\nit is""#, r#""so it is""#, true),
            (r#""so\nit is""#, r#""""#, true),
            (r#""so\nit is""#, r#"""#, false),
            (r#""so\nit is""#, r#" "x" "#, true),
            (r#""so\nit is""#, r#""a"b""#, false),
            (r#""so\nit is""#, r#""a","text":"b""#, false),
            (r#""so\nit is""#, r#""\ud800""#, false),
            (r#""so\nit is""#, "\"a\u{1}\"", false),
            (r#""so\nit is""#, "1", false),
            ("}}}", "}}", false),
            ("}}}", r#"}},"error":null}"#, false),
        ];
        check_all(line, check_output, &changes);
        let line =
            r#"{"jsonrpc":"2.0","id":5,"result":{"output":{"kind":"json","value":{"a":1.0}}}}"#;
        let changes = [
            (r#"{"a":1.0}"#, "null", true),
            (r#"{"a":1.0}"#, r#""}}}""#, true),
            (r#"{"a":1.0}"#, "", false),
            (r#"{"a":1.0}"#, "1,2", false),
            (r#"{"a":1.0}"#, r#"1,"value":2"#, false),
            (r#"{"a":1.0}"#, r#"1},"new":{}"#, false),
        ];
        check_all(line, check_output, &changes);
    }

    #[test]
    fn what_is_written_is_read_by_its_fixed_parts() {
        for (text, is_text_plain) in [("search", true), ("a \"quoted\"\n", false)] {
            let call = ToolCallRef {
                name: text,
                arguments: serde_json::from_str("{\n\"a\": 1}").unwrap(),
                call: 7,
                deadline_ms: 9,
                caller: text,
            };
            check_call(
                &written(|out, limits| call.encode(HostRequestId(5), limits, out)),
                is_text_plain,
            );
        }
        let value = RawValue::from_string("[1,\n2]".to_owned()).unwrap();
        let parts = vec![Content::Text { text: "a".into() }];
        let outcomes = [
            (Ok(ToolOutput::text("a \"quoted\"\n\u{1}é")), true),
            (Ok(ToolOutput::text("")), true),
            (Ok(ToolOutput::Json(value)), true),
            (Ok(ToolOutput::Empty), false),
            (Ok(ToolOutput::Content(parts)), false),
            (Err(ToolError::internal("broken")), false),
        ];
        for (outcome, is_plain) in outcomes {
            let outcome = outcome.as_ref();
            let id = HostRequestId(5);
            check_output(
                &written(|out, limits| encode_output(id, outcome, limits, out)),
                is_plain,
            );
        }
    }

    fn written(
        write: impl FnOnce(&mut Vec<u8>, ChannelLimits) -> Result<(), FrameError>,
    ) -> String {
        let mut line = Vec::new();
        write(&mut line, ChannelLimits::default()).unwrap();
        let line = String::from_utf8(line).unwrap();
        line.strip_suffix('\n').unwrap().to_owned()
    }
}
