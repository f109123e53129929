//! Keywords that an API does not take, written where a model reads them.

use serde_json::Value;

use super::rules::Members;

/// Longest value that is written out, in bytes of JSON.
const SHOWN_MAX: usize = 400;

/// Appends keywords and their values to a schema's description: `(pattern: "^a", default: 3)`.
pub(super) fn tell(schema: &mut Members, keywords: &[(String, Value)]) {
    let shown: Vec<String> = keywords.iter().filter_map(shown).collect();
    if shown.is_empty() {
        return;
    }
    let added = format!("({})", shown.join(", "));
    let description = match schema.get("description").and_then(Value::as_str) {
        Some(text) if !text.is_empty() => format!("{text} {added}"),
        _ => added,
    };
    schema.insert("description".to_owned(), description.into());
}

fn shown((keyword, value): &(String, Value)) -> Option<String> {
    let text = value.to_string();
    (text.len() <= SHOWN_MAX).then(|| format!("{keyword}: {text}"))
}
