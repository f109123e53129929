//! JSON text, measured before anything parses it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::problem::{ArgumentProblem, ArgumentProblems};
use crate::limits::Limits;
use crate::text::excerpt;

/// Checks the size and the nesting of JSON text in one pass over its bytes.
///
/// It does not check that the text is JSON; whoever parses it does. What it does check is enough
/// for any parser, recursive or not, to be safe.
///
/// ```
/// use keyway_host::limits::Limits;
/// use keyway_host::schema::check_text;
/// assert!(check_text(r#"{"path": "[[[["}"#, &Limits::default()).is_ok());
/// assert!(check_text(&"[".repeat(65), &Limits::default()).is_err());
/// ```
///
/// # Errors
/// [`ArgumentProblem`] at the root when the text is larger than [`Limits::arguments_bytes`] or
/// nested deeper than [`Limits::json_depth`].
pub fn check_text(json: &str, limits: &Limits) -> Result<(), ArgumentProblem> {
    if json.len() > limits.arguments_bytes {
        return Err(ArgumentProblem::at_root(format!(
            "{} bytes are too many; send at most {}",
            json.len(),
            limits.arguments_bytes
        )));
    }
    if deepest_exceeds(json.as_bytes(), limits.json_depth) {
        return Err(too_deep(limits.json_depth));
    }
    Ok(())
}

pub(super) fn too_deep(limit: usize) -> ArgumentProblem {
    ArgumentProblem::at_root(format!("nested too deeply; use at most {limit} levels"))
}

fn deepest_exceeds(bytes: &[u8], limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => skip_string(&mut rest),
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn skip_string(rest: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(rest.next()),
            _ => {}
        }
    }
}

/// Parses JSON text that [`check_text`] lets pass and in which no object names a member twice.
///
/// `serde_json` keeps the last of two members with one name; a plugin's own parser may keep the
/// first. What was validated would not be what runs, so such text is refused.
///
/// ```
/// use keyway_host::limits::Limits;
/// use keyway_host::schema::parse;
/// assert!(parse(r#"{"a": 1}"#, &Limits::default()).is_ok());
/// assert!(parse(r#"{"a": 1, "a": 2}"#, &Limits::default()).is_err());
/// ```
///
/// # Errors
/// [`ArgumentProblems`] with one entry: too large, too deep, not JSON, or a repeated member.
pub fn parse(json: &str, limits: &Limits) -> Result<Value, ArgumentProblems> {
    check_text(json, limits)?;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let parsed = Unique.deserialize(&mut deserializer);
    parsed
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| {
            let shown = error.to_string();
            ArgumentProblem::at_root(format!("not valid JSON: {}", excerpt(&shown))).into()
        })
}

/// Builds a [`Value`], refusing repeated members.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
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
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(Self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(Self)?;
            if map.contains_key(&key) {
                let key = excerpt(&key);
                return Err(A::Error::custom(format!("the member `{key}` stands twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
