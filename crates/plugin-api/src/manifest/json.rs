//! Reads JSON text strictly: bounded in size and depth, no key twice, no number that would
//! change when read, nothing before or after the document (attack T20).

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::report::{At, Report, shown};

/// Largest manifest that is read, in bytes.
pub(crate) const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// Deepest nesting that is read.
pub(crate) const MANIFEST_DEPTH_MAX: usize = 64;

/// Reads a document, or reports why it cannot be.
pub(super) fn read(bytes: &[u8], report: &mut Report) -> Option<Value> {
    let text = decode(bytes, report)?;
    if !scan(text, report) {
        return None;
    }
    let seed = Strict {
        at: At::Root,
        report: &RefCell::new(report),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut deserializer);
    let whole = read.and_then(|value| deserializer.end().map(|()| value));
    match whole {
        Ok(value) => Some(value),
        Err(e) => {
            report.problem(At::Root, "NOT_JSON", format!("not JSON: {e}"));
            None
        }
    }
}

fn decode<'b>(bytes: &'b [u8], report: &mut Report) -> Option<&'b str> {
    let root = At::Root;
    if bytes.len() > MANIFEST_BYTES_MAX {
        let size = bytes.len();
        let message = format!("{size} bytes are too many: at most {MANIFEST_BYTES_MAX} are read");
        report.problem(root, "TOO_LARGE", message);
        return None;
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        let message = "the file begins with a byte order mark";
        report.problem_with_hint(
            root,
            "BYTE_ORDER_MARK",
            message,
            "save it as UTF-8 without one",
        );
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(e) => {
            let message = format!("byte {} is not UTF-8", e.valid_up_to());
            report.problem_with_hint(root, "NOT_UTF8", message, "save the file as UTF-8");
            None
        }
    }
}

/// Looks at the text before anything is built from it: its depth and its numbers.
fn scan(text: &str, report: &mut Report) -> bool {
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '"' => {
                rest = after_string(rest);
                continue;
            }
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            '-' | '0'..='9' => {
                let (number, after) = split_number(rest);
                if overflows(number) {
                    let message = format!("the number {} cannot be read exactly", shown(number));
                    report.problem(At::Root, "NUMBER_OUT_OF_RANGE", message);
                }
                rest = after;
                continue;
            }
            _ => {}
        }
        if depth > MANIFEST_DEPTH_MAX {
            let message = format!("values are nested deeper than {MANIFEST_DEPTH_MAX}");
            report.problem(At::Root, "TOO_DEEP", message);
            return false;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    report.is_clean()
}

/// Returns what follows the string that `text` begins with.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return text.get(i + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

fn split_number(text: &str) -> (&str, &str) {
    let part = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
    let end = text.bytes().position(|b| !part(b)).unwrap_or(text.len());
    text.split_at(end)
}

/// Tells whether a number would change when read: a whole number beyond 64 bits, or one beyond
/// every double. What is no number at all is left to the parser.
fn overflows(number: &str) -> bool {
    if number.contains(['.', 'e', 'E']) {
        return number.parse().is_ok_and(f64::is_infinite);
    }
    let digits = number.strip_prefix('-').unwrap_or(number);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
}

/// Builds a value and reports keys that stand twice, which `Value` alone would silently merge.
struct Strict<'a, 'r> {
    at: At<'a>,
    report: &'a RefCell<&'r mut Report>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_, '_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let at = self.at.index(items.len());
            let report = self.report;
            match access.next_element_seed(Strict { at, report })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let at = self.at.key(&key);
            let report = self.report;
            let value = access.next_value_seed(Strict { at, report })?;
            if object.contains_key(&key) {
                let message = format!("the key `{}` stands twice", shown(&key));
                report.borrow_mut().problem(at, "DUPLICATE_KEY", message);
            } else {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}
