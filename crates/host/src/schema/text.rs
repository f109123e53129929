//! JSON text, measured before anything parses it.

use serde_json::Value;

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
    let is_small = json.len() <= limits.json_depth.min(limits.arguments_bytes);
    if is_small || json.len() <= limits.arguments_bytes && opens(json) <= limits.json_depth {
        return Ok(());
    }
    measured(json, limits).map(drop)
}

/// Counts what opens an object or a list, in strings too: text is nested no deeper than that. It
/// takes a fraction of the time that following the strings does.
fn opens(json: &str) -> usize {
    // The brace and the bracket differ in one bit. Eight-bit sums of short pieces are what the
    // compiler makes wide instructions of.
    let opens = |byte: &u8| u8::from(byte | 0x20 == b'{');
    let pieces = json.as_bytes().chunks(128);
    pieces
        .map(|piece| usize::from(piece.iter().map(opens).sum::<u8>()))
        .sum()
}

/// Checks the text and counts the members that its objects name.
fn measured(json: &str, limits: &Limits) -> Result<usize, ArgumentProblem> {
    if json.len() > limits.arguments_bytes {
        return Err(ArgumentProblem::at_root(format!(
            "{} bytes are too many; send at most {}",
            json.len(),
            limits.arguments_bytes
        )));
    }
    members(json.as_bytes(), limits.json_depth).ok_or_else(|| too_deep(limits.json_depth))
}

pub(super) fn too_deep(limit: usize) -> ArgumentProblem {
    ArgumentProblem::at_root(format!("nested too deeply; use at most {limit} levels"))
}

/// Counts the members of all objects, which is the colons outside of strings; `None` when the
/// text is nested deeper than `limit`.
fn members(bytes: &[u8], limit: usize) -> Option<usize> {
    let (mut depth, mut members) = (0_usize, 0);
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => skip_string(&mut rest),
            b':' => members += 1,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return None;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Some(members)
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
    let named = measured(json, limits)?;
    let value = serde_json::from_str(json).map_err(|error| {
        let shown = error.to_string();
        ArgumentProblem::at_root(format!("not valid JSON: {}", excerpt(&shown)))
    })?;
    if named != kept_members(&value) {
        let message = "an object names a member twice; name each once".to_owned();
        return Err(ArgumentProblem::at_root(message).into());
    }
    Ok(value)
}

/// Counts the members that are left in a parsed value.
fn kept_members(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(kept_members).sum(),
        Value::Object(map) => map.len() + map.values().map(kept_members).sum::<usize>(),
        _ => 0,
    }
}
