//! Alternatives: `const`, `enum`, `oneOf`, `anyOf`.

use serde_json::{Number, Value};

use super::{Members, type_names};

/// Most branches of a `oneOf` that are compared with one another.
const BRANCHES_MAX: usize = 256;
/// How deep alternatives are compared.
const COMPARED_DEPTH: usize = 8;

/// Part of rule 6: writes `const` as an `enum` of one. Accepts what it accepted.
///
/// ```
/// use keyway_host::model::rules::const_to_enum;
/// use serde_json::json;
/// let mut schema = json!({"const": "on"});
/// const_to_enum(schema.as_object_mut().unwrap());
/// assert_eq!(schema, json!({"enum": ["on"]}));
/// ```
pub fn const_to_enum(schema: &mut Members) {
    if let Some(value) = schema.remove("const") {
        // Beside an enum it chooses from it; an enum without it accepts nothing, and so must this.
        let is_listed = |list: &Vec<Value>| list.contains(&value);
        let listed = schema.get("enum").and_then(Value::as_array).map(is_listed);
        let kept = if listed == Some(false) {
            Vec::new()
        } else {
            vec![value]
        };
        schema.insert("enum".to_owned(), Value::Array(kept));
    }
}

/// Part of rule 6: writes `oneOf` as `anyOf`, and tells whether it accepts what it accepted: no
/// value fits two branches.
///
/// A schema that has an `anyOf` as well stays as it is, and the answer is no.
///
/// ```
/// use keyway_host::model::rules::one_of_to_any_of;
/// use serde_json::json;
/// let mut schema = json!({"oneOf": [{"const": "on"}, {"type": "integer"}]});
/// assert!(one_of_to_any_of(schema.as_object_mut().unwrap()));
/// assert_eq!(schema, json!({"anyOf": [{"const": "on"}, {"type": "integer"}]}));
/// ```
#[must_use]
pub fn one_of_to_any_of(schema: &mut Members) -> bool {
    if schema.contains_key("anyOf") {
        return !schema.contains_key("oneOf");
    }
    let Some(branches) = schema.remove("oneOf") else {
        return true;
    };
    let list = branches.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_exact = list.len() <= BRANCHES_MAX && all_disjoint(list);
    schema.insert("anyOf".to_owned(), branches);
    is_exact
}

fn all_disjoint(branches: &[Value]) -> bool {
    let mut rest = branches;
    while let Some((first, others)) = rest.split_first() {
        if !others.iter().all(|other| are_disjoint(first, other)) {
            return false;
        }
        rest = others;
    }
    true
}

/// Tells whether it is certain that no value fits both schemas.
#[must_use]
pub fn are_disjoint(a: &Value, b: &Value) -> bool {
    disjoint_within(a, b, COMPARED_DEPTH)
}

fn disjoint_within(a: &Value, b: &Value, depth: usize) -> bool {
    let (Value::Object(a), Value::Object(b), 1..) = (a, b, depth) else {
        return false;
    };
    have_no_type_in_common(a, b) || have_no_value_in_common(a, b) || part_as_objects(a, b, depth)
}

fn have_no_type_in_common(a: &Members, b: &Members) -> bool {
    let (Some(a), Some(b)) = (type_names(a), type_names(b)) else {
        return false;
    };
    let is_number = |name: &&str| matches!(*name, "integer" | "number");
    a.is_disjoint(&b) && !(a.iter().any(is_number) && b.iter().any(is_number))
}

fn have_no_value_in_common(a: &Members, b: &Members) -> bool {
    let (Some(a), Some(b)) = (values(a), values(b)) else {
        return false;
    };
    a.iter().all(|a| !b.iter().any(|b| is_same(a, b)))
}

fn values(schema: &Members) -> Option<Vec<&Value>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only]);
    }
    let list = schema.get("enum")?.as_array()?;
    (list.len() <= BRANCHES_MAX).then(|| list.iter().collect())
}

/// As JSON Schema compares: `1` is `1.0`. Large numbers that floats confuse count as the same.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || Number::as_f64(a) == Number::as_f64(b),
        (Value::Array(_) | Value::Object(_), Value::Array(_) | Value::Object(_)) => true,
        (a, b) => a == b,
    }
}

fn part_as_objects(a: &Members, b: &Members, depth: usize) -> bool {
    let is_object = |schema: &Members| schema.get("type").and_then(Value::as_str) == Some("object");
    if !is_object(a) || !is_object(b) {
        return false;
    }
    let by_property = required(a).filter(|name| required(b).any(|other| other == *name));
    let mut by_property =
        by_property.filter_map(|name| Some((property(a, name)?, property(b, name)?)));
    by_property.any(|(a, b)| disjoint_within(a, b, depth - 1)) || excludes(a, b) || excludes(b, a)
}

/// Tells whether a closed object has no place for something that the other must have.
fn excludes(closed: &Members, other: &Members) -> bool {
    closed.get("additionalProperties") == Some(&Value::Bool(false))
        && !closed.contains_key("patternProperties")
        && required(other).any(|name| property(closed, name).is_none())
}

fn required(schema: &Members) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn property<'a>(schema: &'a Members, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}
