//! Where schemas stand inside a schema.

use serde_json::Value;

/// Keywords that combine schemas; none may stand at the root of an input schema.
pub(super) const COMBINATORS: [&str; 5] = ["allOf", "anyOf", "if", "not", "oneOf"];

/// What a keyword holds.
pub(super) enum Holds {
    /// Data that is no schema: `enum`, `default`, `minimum`.
    Data,
    /// A list of schemas.
    List,
    /// Schemas by name.
    Named,
    /// One schema.
    One,
    /// One schema, or a boolean that every reader understands and that therefore stays.
    OneOrBool,
}

/// Tells what a keyword holds. An array under `items` is draft 7's way to write `prefixItems`.
pub(super) fn holds(keyword: &str, value: &Value) -> Holds {
    match keyword {
        "items" if value.is_array() => Holds::List,
        "additionalItems" | "contains" | "contentSchema" | "else" | "if" | "items" | "not"
        | "propertyNames" | "then" => Holds::One,
        "additionalProperties" | "unevaluatedItems" | "unevaluatedProperties" => Holds::OneOrBool,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::List,
        "$defs" | "definitions" | "dependencies" | "dependentSchemas" | "patternProperties"
        | "properties" => Holds::Named,
        _ => Holds::Data,
    }
}

/// Visits the schemas directly inside a schema, with the steps of the path that lead to them.
pub(super) fn for_each_subschema<'a>(
    schema: &'a Value,
    visit: &mut impl FnMut(&[&str], &'a Value),
) {
    let Value::Object(members) = schema else {
        return;
    };
    for (keyword, value) in members {
        match (holds(keyword, value), value) {
            (Holds::One | Holds::OneOrBool, value) => visit(&[keyword], value),
            (Holds::List, Value::Array(list)) => {
                for (i, value) in list.iter().enumerate() {
                    visit(&[keyword, &i.to_string()], value);
                }
            }
            (Holds::Named, Value::Object(named)) => {
                // Under draft 7's `dependencies` a list names properties.
                for (name, value) in named.iter().filter(|(_, v)| !v.is_array()) {
                    visit(&[keyword, name], value);
                }
            }
            _ => {}
        }
    }
}

/// Visits the schemas directly inside a schema, to change them.
pub(super) fn for_each_subschema_mut(schema: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    let Value::Object(members) = schema else {
        return;
    };
    for (keyword, value) in members {
        match (holds(keyword, value), value) {
            (Holds::One | Holds::OneOrBool, value) => visit(value),
            (Holds::List, Value::Array(list)) => list.iter_mut().for_each(&mut *visit),
            (Holds::Named, Value::Object(named)) => named.values_mut().for_each(&mut *visit),
            _ => {}
        }
    }
}
