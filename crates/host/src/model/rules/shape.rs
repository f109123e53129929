//! What holds of a whole schema: property names, recursion, objects that are open.

use serde_json::Value;

use super::{Members, join};

/// A property whose name an API does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadName {
    /// JSON Pointer to the object schema that has the property.
    pub at: String,
    /// The name.
    pub name: String,
    /// Whether every call must have the property.
    pub is_required: bool,
}

/// Rule 7: takes the properties out whose names an API does not take, and returns them in order.
///
/// Where one of them is required, the result is no schema of the tool any more: leave the tool
/// out.
///
/// ```
/// use keyway_host::model::rules::settle_property_names;
/// use serde_json::json;
/// let mut schema = json!({"type": "object", "properties": {"a": {}, "b c": {}}});
/// let bad = settle_property_names(&mut schema, |name| !name.contains(' '));
/// assert_eq!((bad[0].name.as_str(), bad[0].is_required), ("b c", false));
/// assert_eq!(schema, json!({"type": "object", "properties": {"a": {}}}));
/// ```
#[must_use]
pub fn settle_property_names(schema: &mut Value, is_taken: fn(&str) -> bool) -> Vec<BadName> {
    let mut bad = Vec::new();
    settle_names(schema, "", is_taken, &mut bad);
    bad
}

fn settle_names(schema: &mut Value, at: &str, is_taken: fn(&str) -> bool, bad: &mut Vec<BadName>) {
    let Value::Object(schema) = schema else {
        return;
    };
    for name in refused_names(schema, is_taken) {
        bad.push(BadName {
            at: at.to_owned(),
            is_required: is_required(schema, &name),
            name: name.clone(),
        });
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.remove(&name);
        }
    }
    for_each_child_mut(schema, at, &mut |at, child| {
        settle_names(child, at, is_taken, bad)
    });
}

fn refused_names(schema: &Members, is_taken: fn(&str) -> bool) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let names = properties
        .into_iter()
        .flat_map(|properties| properties.keys());
    names.filter(|name| !is_taken(name)).cloned().collect()
}

fn is_required(schema: &Members, name: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|other| other == name))
}

/// Rule 8: returns the JSON Pointer of the first schema that refers to another, if there is one;
/// in canonical form that is a type that holds itself.
#[must_use]
pub fn recursion(schema: &Value) -> Option<String> {
    first(schema, |schema| schema.contains_key("$ref"))
}

/// Part of rule 9: returns the JSON Pointer of the first object schema that takes properties it
/// does not name, if there is one.
///
/// ```
/// use keyway_host::model::rules::open_object;
/// use serde_json::json;
/// let open = json!({"properties": {"a": {"type": "object"}}, "additionalProperties": false});
/// assert_eq!(open_object(&open), Some("/properties/a".to_owned()));
/// ```
#[must_use]
pub fn open_object(schema: &Value) -> Option<String> {
    first(schema, |schema| {
        let names = super::type_names(schema);
        let may_be_object = names.is_some_and(|names| names.contains("object"));
        may_be_object && schema.get("additionalProperties") != Some(&Value::Bool(false))
    })
}

fn first(schema: &Value, is_it: impl Fn(&Members) -> bool) -> Option<String> {
    let mut found = None;
    for_each_schema(schema, "", &mut |at, schema| {
        if found.is_none() && is_it(schema) {
            found = Some(at.to_owned());
        }
    });
    found
}

/// Visits a schema and every schema inside it, outer ones first, with its JSON Pointer.
pub(in crate::model) fn for_each_schema<'a>(
    schema: &'a Value,
    at: &str,
    visit: &mut dyn FnMut(&str, &'a Members),
) {
    let Value::Object(members) = schema else {
        return;
    };
    visit(at, members);
    for (keyword, value) in members {
        match (holds(keyword), value) {
            (Holds::One, value) => for_each_schema(value, &join(at, &[keyword]), visit),
            (Holds::List, Value::Array(list)) => {
                for (i, child) in list.iter().enumerate() {
                    for_each_schema(child, &join(at, &[keyword, &i.to_string()]), visit);
                }
            }
            (Holds::Named, Value::Object(named)) => {
                for (name, child) in named {
                    for_each_schema(child, &join(at, &[keyword, name]), visit);
                }
            }
            _ => {}
        }
    }
}

fn for_each_child_mut(schema: &mut Members, at: &str, visit: &mut dyn FnMut(&str, &mut Value)) {
    for (keyword, value) in schema {
        match (holds(keyword), value) {
            (Holds::One, value) => visit(&join(at, &[keyword]), value),
            (Holds::List, Value::Array(list)) => {
                for (i, child) in list.iter_mut().enumerate() {
                    visit(&join(at, &[keyword, &i.to_string()]), child);
                }
            }
            (Holds::Named, Value::Object(named)) => {
                for (name, child) in named {
                    visit(&join(at, &[keyword, name]), child);
                }
            }
            _ => {}
        }
    }
}

/// What a keyword of a canonical schema holds.
enum Holds {
    Data,
    List,
    Named,
    One,
}

fn holds(keyword: &str) -> Holds {
    match keyword {
        "additionalProperties"
        | "contains"
        | "contentSchema"
        | "else"
        | "if"
        | "items"
        | "not"
        | "propertyNames"
        | "then"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::One,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::List,
        "$defs" | "dependentSchemas" | "patternProperties" | "properties" => Holds::Named,
        _ => Holds::Data,
    }
}
