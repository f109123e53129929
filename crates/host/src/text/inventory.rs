//! Every string of a descriptor that a model could read.

use keyway_plugin_api::ToolDescriptor;
use serde_json::Value;

/// Keywords whose members are names that the plugin chose.
const NAMES: [&str; 7] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
];

/// Lists every string of a descriptor with its JSON pointer, in the order of the descriptor:
/// names, title, description, every string of both schemas at any depth, what the tool needs, how
/// it fails, and what its source says beyond that.
///
/// Names that the plugin chose are listed too, such as those of properties, since a model reads
/// them like any other text. What an operator approves is exactly this list.
///
/// ```
/// use keyway_host::text::inventory;
/// use keyway_plugin_api::{Effect, ToolDescriptor, ToolName};
/// use serde_json::json;
///
/// let schema = json!({"type": "object", "properties": {"x": {"default": "hidden here"}}});
/// let tool = ToolDescriptor::new(ToolName::parse("add")?, "Adds.", Effect::Read, schema);
/// let found = inventory(&tool);
/// assert!(found.contains(&("/inputSchema/properties/x/default".into(), "hidden here".into())));
/// # Ok::<(), keyway_plugin_api::NameError>(())
/// ```
#[must_use]
pub fn inventory(descriptor: &ToolDescriptor) -> Vec<(String, String)> {
    let mut found = vec![("/name".to_owned(), descriptor.name.to_string())];
    let title = descriptor.title.iter().cloned();
    found.extend(title.map(|title| ("/title".to_owned(), title)));
    found.push(("/description".to_owned(), descriptor.description.clone()));
    collect("/inputSchema", &descriptor.input_schema, &mut found);
    if let Some(schema) = &descriptor.output_schema {
        collect("/outputSchema", schema, &mut found);
    }
    found.push(("/effect".to_owned(), plain(&descriptor.effect)));
    // These are flat: turning them into values first costs no depth.
    let needs = serde_json::to_value(&descriptor.needs).unwrap_or_default();
    collect("/needs", &needs, &mut found);
    let errors = serde_json::to_value(&descriptor.errors).unwrap_or_default();
    collect("/errors", &errors, &mut found);
    found.extend(strings("/extra", &Value::Object(descriptor.extra.clone())));
    found
}

/// Lists every string of a document with its JSON pointer, names of members included, whoever
/// chose them.
pub(crate) fn strings(root: &str, value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(root, value, &mut found, |_| true);
    found
}

fn plain(word: &impl serde::Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn collect(root: &str, value: &Value, found: &mut Vec<(String, String)>) {
    walk(root, value, found, |key| {
        KEYWORDS.binary_search(&key).is_err()
    });
}

/// Walks on an explicit stack: a schema built in memory may be nested without bound. A member's
/// name is listed where the plugin chose it, by its place or by what `is_chosen` says.
fn walk(
    root: &str,
    value: &Value,
    found: &mut Vec<(String, String)>,
    is_chosen: impl Fn(&str) -> bool,
) {
    let mut waiting = vec![(root.to_owned(), value)];
    while let Some((path, value)) = waiting.pop() {
        match value {
            Value::String(text) => found.push((path, text.clone())),
            Value::Array(list) => {
                let items = list.iter().enumerate().rev();
                waiting.extend(items.map(|(i, item)| (format!("{path}/{i}"), item)));
            }
            Value::Object(map) => {
                let chosen = path.rsplit('/').next().is_some_and(|k| NAMES.contains(&k));
                for (key, item) in map.iter().rev() {
                    let below = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                    if chosen || is_chosen(key) {
                        found.push((below.clone(), key.clone()));
                    }
                    waiting.push((below, item));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Words of JSON Schema and of this crate's own descriptors, sorted: the plugin did not choose
/// them.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema",
    "additionalItems", "additionalProperties", "allOf", "anyOf", "const", "contains",
    "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions",
    "dependencies", "dependentRequired", "dependentSchemas", "deprecated", "description", "doc",
    "else", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "hosts", "if",
    "items", "kind", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum",
    "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "name",
    "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties", "propertyNames",
    "readOnly", "required", "retryable", "then", "title", "type", "unevaluatedItems",
    "unevaluatedProperties", "uniqueItems", "writeOnly",
];
