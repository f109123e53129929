//! The rules for arguments that go into HTTP headers (`x-mcp-header`).

use std::collections::BTreeSet;

use serde_json::Value;

const KEYWORD: &str = "x-mcp-header";

/// Checks the annotations of an input schema: a header token, on a plain type, reached through
/// `properties` alone, no two the same but for case. A client drops a tool that breaks them.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    if schema.get(KEYWORD).is_some() {
        return Err("it stands on the whole, not on an argument".to_owned());
    }
    properties(schema, &mut BTreeSet::new())
}

fn properties(schema: &Value, names: &mut BTreeSet<String>) -> Result<(), String> {
    let Some(fields) = schema.as_object() else {
        return Ok(());
    };
    for (keyword, value) in fields {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for property in properties.values() {
                    header_of(property, names)?;
                    self::properties(property, names)?;
                }
            }
            (KEYWORD, _) => {}
            // What a schema gives as data is no schema.
            ("const" | "default" | "enum" | "examples", _) => {}
            _ if stands_in(value) => {
                return Err("it stands where no header can come from".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

fn stands_in(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(KEYWORD) || fields.values().any(stands_in),
        Value::Array(items) => items.iter().any(stands_in),
        _ => false,
    }
}

fn header_of(property: &Value, names: &mut BTreeSet<String>) -> Result<(), String> {
    let Some(name) = property.get(KEYWORD) else {
        return Ok(());
    };
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let name = name.as_str().ok_or("its name is no text")?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("its name is no header name".to_owned());
    }
    let kind = property.get("type").and_then(Value::as_str);
    if !matches!(kind, Some("string" | "integer" | "boolean")) {
        return Err("only text, whole numbers and booleans can go into a header".to_owned());
    }
    match names.insert(name.to_ascii_lowercase()) {
        true => Ok(()),
        false => Err(format!("`{name}` stands twice")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_plain_properties_with_one_name_each() {
        let at = |property: Value| json!({"type": "object", "properties": {"a": property}});
        let table = [
            (
                at(json!({"type": "string", "x-mcp-header": "Region"})),
                true,
            ),
            (at(json!({"type": "string", "x-mcp-header": ""})), false),
            (at(json!({"type": "string", "x-mcp-header": "a b"})), false),
            (at(json!({"type": "number", "x-mcp-header": "N"})), false),
            (
                at(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "I"}})),
                false,
            ),
            (
                at(
                    json!({"type": "object", "properties": {"b": {"type": "string", "x-mcp-header": "B"}}}),
                ),
                true,
            ),
            (
                json!({"properties": {
                "a": {"type": "string", "x-mcp-header": "X"},
                "b": {"type": "string", "x-mcp-header": "x"}}}),
                false,
            ),
            (
                json!({"properties": {"x-mcp-header": {"type": "string"}}}),
                true,
            ),
        ];
        for (schema, is_fit) in table {
            assert_eq!(check(&schema).is_ok(), is_fit, "{schema}");
        }
    }
}
