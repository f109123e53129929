//! Joins `allOf` with what stands around it.

use serde_json::Value;

use super::Members;

/// Keywords that mean something together with one another, and so never come from two places.
const TOGETHER: [&[&str]; 4] = [
    &[
        "additionalProperties",
        "patternProperties",
        "properties",
        "unevaluatedProperties",
    ],
    &[
        "contains",
        "items",
        "maxContains",
        "minContains",
        "prefixItems",
        "unevaluatedItems",
    ],
    &["else", "if", "then"],
    &["$ref", "$defs"],
];
/// Keywords that describe and do not constrain: what stands outside wins.
const DESCRIBING: [&str; 7] = [
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

/// Part of rule 6: joins every branch of an `allOf` with the schema around it, where that accepts
/// what it accepted. The branches that cannot be joined stay.
///
/// ```
/// use keyway_host::model::rules::merge_all_of;
/// use serde_json::json;
/// let mut schema = json!({
///     "minLength": 1, "allOf": [{"type": "string", "title": "T"}, {"minLength": 2}],
/// });
/// merge_all_of(schema.as_object_mut().unwrap());
/// let left = json!([{"minLength": 2}]);
/// assert_eq!(schema, json!({"type": "string", "title": "T", "minLength": 1, "allOf": left}));
/// ```
pub fn merge_all_of(schema: &mut Members) {
    let Some(Value::Array(branches)) = schema.remove("allOf") else {
        return;
    };
    let mut left = Vec::new();
    for branch in branches {
        match branch {
            Value::Object(branch) if can_join(schema, &branch) => join(schema, branch),
            other => left.push(other),
        }
    }
    if !left.is_empty() {
        schema.insert("allOf".to_owned(), Value::Array(left));
    }
}

fn can_join(schema: &Members, branch: &Members) -> bool {
    let holds_any =
        |members: &Members, group: &[&str]| group.iter().any(|k| members.contains_key(*k));
    let is_apart = |group: &&[&str]| !(holds_any(schema, group) && holds_any(branch, group));
    let is_free = |(keyword, value): (&String, &Value)| match schema.get(keyword) {
        None => true,
        Some(beside) => {
            beside == value || keyword == "required" || DESCRIBING.contains(&keyword.as_str())
        }
    };
    TOGETHER.iter().all(is_apart) && branch.iter().all(is_free) && !branch.contains_key("allOf")
}

fn join(schema: &mut Members, branch: Members) {
    for (keyword, value) in branch {
        match (schema.get_mut(&keyword), value) {
            (Some(Value::Array(names)), Value::Array(more)) if keyword == "required" => {
                names.extend(more);
                names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                names.dedup();
            }
            (Some(_), _) => {}
            (None, value) => {
                schema.insert(keyword, value);
            }
        }
    }
}
