//! Every place of a tool's description in which a server can put words.

use serde_json::{Value, json};

use crate::scripted::with;

/// Places of values, as JSON pointers.
const VALUES: [&str; 27] = [
    "/title",
    "/description",
    "/annotations/title",
    "/annotations/note",
    "/icons/0/src",
    "/_meta/note",
    "/_meta/deep/0/deeper",
    "/note",
    "/inputSchema/title",
    "/inputSchema/description",
    "/inputSchema/$comment",
    "/inputSchema/$defs/d/description",
    "/inputSchema/properties/a/title",
    "/inputSchema/properties/a/description",
    "/inputSchema/properties/a/default",
    "/inputSchema/properties/a/enum/0",
    "/inputSchema/properties/a/examples/0",
    "/inputSchema/properties/a/x-note/deep/0",
    "/inputSchema/properties/b/items/anyOf/0/description",
    "/inputSchema/properties/b/items/anyOf/1/const",
    "/inputSchema/properties/b/contentMediaType",
    "/inputSchema/properties/c/properties/d/properties/e/description",
    "/inputSchema/required/0",
    "/outputSchema/title",
    "/outputSchema/description",
    "/outputSchema/properties/r/description",
    "/outputSchema/properties/r/enum/0",
];

/// Places whose member is called by the words.
const KEYS: [&str; 7] = [
    "",
    "/_meta",
    "/annotations",
    "/inputSchema/properties",
    "/inputSchema/properties/a",
    "/inputSchema/$defs",
    "/outputSchema/properties",
];

/// One description for each place, with the words there and nowhere else; none is called the same.
pub(crate) fn everywhere(words: impl Fn(usize) -> String) -> Vec<(String, Value)> {
    let values = VALUES.iter().enumerate();
    let values = values.map(|(at, place)| {
        let described = with(&plain(at), place, json!(words(at)));
        ((*place).to_owned(), described)
    });
    let keys = KEYS.iter().zip(VALUES.len()..);
    let keys = keys.map(|(place, at)| {
        let mut described = plain(at);
        let parent = described.pointer_mut(place).unwrap();
        parent[words(at)] = json!({});
        (format!("a name in {place}"), described)
    });
    values.chain(keys).collect()
}

/// A tool with all of these places, and nothing to object to in any.
fn plain(number: usize) -> Value {
    json!({
        "name": format!("tool-{number:02}"),
        "title": "A tool",
        "description": "Does something.",
        "annotations": {"readOnlyHint": true},
        "icons": [{}],
        "_meta": {"deep": [{}]},
        "inputSchema": {
            "type": "object",
            "$defs": {"d": {"type": "string"}},
            "properties": {
                "a": {"enum": ["x"], "examples": ["x"], "x-note": {"deep": ["x"]}},
                "b": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"const": "x"}]}},
                "c": {"type": "object", "properties": {"d": {"type": "object", "properties": {"e": {"$ref": "#/$defs/d"}}}}},
            },
            "required": ["a"],
        },
        "outputSchema": {"type": "object", "properties": {"r": {"type": "string", "enum": ["x"]}}},
    })
}

/// Every string of a document, names of members included.
pub(crate) fn strings(document: &Value) -> Vec<&str> {
    match document {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        Value::Object(map) => {
            let named = |(key, value)| {
                let key: &String = key;
                std::iter::once(key.as_str()).chain(strings(value))
            };
            map.iter().flat_map(named).collect()
        }
        _ => Vec::new(),
    }
}
