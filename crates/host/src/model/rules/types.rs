//! Types: several at once, those that values imply, bounds of integers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Members;

const OBJECTS: &[&str] = &[
    "additionalProperties",
    "dependentRequired",
    "dependentSchemas",
    "maxProperties",
    "minProperties",
    "patternProperties",
    "properties",
    "propertyNames",
    "required",
    "unevaluatedProperties",
];
const ARRAYS: &[&str] = &[
    "contains",
    "items",
    "maxContains",
    "maxItems",
    "minContains",
    "minItems",
    "prefixItems",
    "unevaluatedItems",
    "uniqueItems",
];
const STRINGS: &[&str] = &[
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "format",
    "maxLength",
    "minLength",
    "pattern",
];
const NUMBERS: &[&str] = &[
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maximum",
    "minimum",
    "multipleOf",
];

/// Rule 4: writes a schema of several types as `anyOf` of one each; keywords go where they count.
///
/// Accepts what it accepted. A schema that has an `anyOf` or a `oneOf` already stays as it is.
///
/// ```
/// use keyway_host::model::rules::split_types;
/// use serde_json::json;
/// let mut schema = json!({"type": ["string", "null"], "maxLength": 3, "title": "T"});
/// split_types(schema.as_object_mut().unwrap());
/// let each = json!([{"type": "string", "maxLength": 3}, {"type": "null"}]);
/// assert_eq!(schema, json!({"title": "T", "anyOf": each}));
/// ```
pub fn split_types(schema: &mut Members) {
    let Some(Value::Array(names)) = schema.get("type") else {
        return;
    };
    let names: Vec<String> = names.iter().filter_map(text).collect();
    if names.is_empty() || schema.contains_key("anyOf") || schema.contains_key("oneOf") {
        return;
    }
    let whole = std::mem::take(schema);
    let mut branches: Vec<(String, Members)> = names.into_iter().map(branch).collect();
    for (keyword, value) in whole {
        match keyword.as_str() {
            "type" => {}
            "enum" => branches.retain_mut(|(name, branch)| keep_values(name, branch, &value)),
            "const" => branches.retain_mut(|(name, branch)| {
                branch.insert("const".to_owned(), value.clone());
                is_of_type(&value, name)
            }),
            other if is_for_any_type(other) => {
                schema.insert(keyword, value);
            }
            other => {
                let wanting = branches.iter_mut().filter(|(name, _)| counts(other, name));
                for (_, branch) in wanting {
                    branch.insert(keyword.clone(), value.clone());
                }
            }
        }
    }
    settle(schema, branches.into_iter().map(|(_, branch)| branch));
}

fn settle(schema: &mut Members, branches: impl Iterator<Item = Members>) {
    let mut branches: Vec<Members> = branches.collect();
    match (branches.len(), branches.pop()) {
        (_, None) => {
            schema.insert("not".to_owned(), json!({}));
        }
        (1, Some(only)) => schema.extend(only),
        (_, Some(last)) => {
            branches.push(last);
            let branches = branches.into_iter().map(Value::Object).collect();
            schema.insert("anyOf".to_owned(), Value::Array(branches));
        }
    }
}

fn branch(name: String) -> (String, Members) {
    let members = Map::from_iter([("type".to_owned(), Value::String(name.clone()))]);
    (name, members)
}

fn keep_values(name: &str, branch: &mut Members, values: &Value) -> bool {
    let values = values.as_array().into_iter().flatten();
    let kept: Vec<Value> = values.filter(|v| is_of_type(v, name)).cloned().collect();
    let is_possible = !kept.is_empty();
    // The type says all there is to say of null.
    if name != "null" {
        branch.insert("enum".to_owned(), Value::Array(kept));
    }
    is_possible
}

fn is_for_any_type(keyword: &str) -> bool {
    [OBJECTS, ARRAYS, STRINGS, NUMBERS]
        .iter()
        .all(|keywords| !keywords.contains(&keyword))
}

fn counts(keyword: &str, type_name: &str) -> bool {
    match type_name {
        "object" => OBJECTS.contains(&keyword),
        "array" => ARRAYS.contains(&keyword),
        "string" => STRINGS.contains(&keyword),
        "integer" | "number" => NUMBERS.contains(&keyword),
        _ => false,
    }
}

/// Part of rule 6: writes `exclusiveMinimum` and `exclusiveMaximum` of an integer as `minimum` and
/// `maximum`. Accepts what it accepted; bounds that are no whole numbers stay.
///
/// ```
/// use keyway_host::model::rules::close_bounds;
/// use serde_json::json;
/// let mut schema = json!({"type": "integer", "exclusiveMinimum": 0, "minimum": -4});
/// close_bounds(schema.as_object_mut().unwrap());
/// assert_eq!(schema, json!({"type": "integer", "minimum": 1}));
/// ```
pub fn close_bounds(schema: &mut Members) {
    if schema.get("type").and_then(Value::as_str) != Some("integer") {
        return;
    }
    for (open, closed, step) in [
        ("exclusiveMinimum", "minimum", 1_i64),
        ("exclusiveMaximum", "maximum", -1),
    ] {
        let Some(bound) = whole(schema.get(open)).and_then(|bound| bound.checked_add(step)) else {
            continue;
        };
        let tighter = match schema.get(closed) {
            None => bound,
            Some(beside) => match whole(Some(beside)) {
                Some(beside) if step > 0 => bound.max(beside),
                Some(beside) => bound.min(beside),
                None => continue,
            },
        };
        schema.remove(open);
        schema.insert(closed.to_owned(), tighter.into());
    }
}

fn whole(bound: Option<&Value>) -> Option<i64> {
    bound.and_then(Value::as_i64)
}

/// Adds the type that `enum` or `const` implies, where none stands.
pub(in crate::model) fn infer_types(schema: &mut Members) {
    if schema.contains_key("type") {
        return;
    }
    let names = value_types(schema);
    let names: Vec<Value> = names.into_iter().map(Value::from).collect();
    match &names[..] {
        [] => {}
        [only] => {
            schema.insert("type".to_owned(), only.clone());
        }
        _ => {
            schema.insert("type".to_owned(), Value::Array(names));
        }
    }
}

fn value_types(schema: &Members) -> BTreeSet<&'static str> {
    let listed = schema.get("enum").and_then(Value::as_array);
    let values = listed.into_iter().flatten().chain(schema.get("const"));
    values.map(type_of).collect()
}

/// Returns the types that a schema's values can have, where it says so itself.
pub(in crate::model) fn type_names(schema: &Members) -> Option<BTreeSet<&str>> {
    match schema.get("type") {
        Some(Value::String(name)) => Some(BTreeSet::from([name.as_str()])),
        Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str).collect()),
        _ => {
            let names = value_types(schema);
            (!names.is_empty()).then_some(names)
        }
    }
}

/// Tells whether a schema may accept `null`; where that is hard to tell, it may.
pub(in crate::model) fn accepts_null(schema: &Value) -> bool {
    let Value::Object(schema) = schema else {
        return true;
    };
    let is_listed = |values: &Vec<Value>| values.contains(&Value::Null);
    let any = |branches: &Vec<Value>| branches.iter().any(accepts_null);
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    let allows = [
        type_names(schema).map(|names| names.contains("null")),
        list("enum").map(is_listed),
        schema.get("const").map(Value::is_null),
        list("anyOf").map(any),
        list("oneOf").map(any),
        list("allOf").map(|branches| branches.iter().all(accepts_null)),
    ];
    allows.into_iter().flatten().all(|allows| allows)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(_) if is_of_type(value, "integer") => "integer",
        Value::Number(_) => "number",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}

/// Tells whether a value is of a type, as JSON Schema has it: `1.0` is an integer.
pub(in crate::model) fn is_of_type(value: &Value, name: &str) -> bool {
    match (name, value) {
        ("integer", Value::Number(n)) => {
            n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        ("number", value) => value.is_number(),
        (name, Value::Number(_)) => name == "number",
        (name, value) => name == type_of(value),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
