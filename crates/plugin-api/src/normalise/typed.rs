//! Tells whether a derived schema says no more than the types behind it do.
//!
//! The derive marks what it made both the schema and the parser of. A schema built from such
//! marked parts and plain values alone needs no validator beside the parser, nor behind the
//! serialiser. Everything unknown counts as a constraint.

use serde_json::{Map, Value};

use super::{EXACT, keywords};

/// Tells whether every value that the types serialise to keeps to the schema.
pub(super) fn is_guaranteed(root: &Value) -> bool {
    is_exact(root) && numbers_may_be_null(root)
}

/// A float that is no number, such as infinity, serialises to null.
fn numbers_may_be_null(schema: &Value) -> bool {
    let mut all = schema.get("type").is_none_or(|name| name != "number");
    keywords::for_each_subschema(schema, &mut |_, inner| {
        all = all && numbers_may_be_null(inner)
    });
    all
}

/// Where a schema stands relative to a marked type.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// A variant of a marked enum.
    Variant,
    /// A property of such a variant, where the tag is.
    VariantProperty,
    /// Anywhere else.
    Plain,
}

/// Tells whether the parser accepts exactly what the schema accepts.
pub(super) fn is_exact(root: &Value) -> bool {
    exact(root, Place::Plain)
}

fn exact(schema: &Value, place: Place) -> bool {
    let Value::Object(members) = schema else {
        return schema.is_boolean();
    };
    let marked = members.get(EXACT) == Some(&Value::Bool(true));
    let trusted = marked || place == Place::Variant;
    known_keywords_only(members)
        && integer_has_a_type_range(members)
        && (trusted || !names_members(members))
        && (trusted || place == Place::VariantProperty || !members.contains_key("const"))
        && (marked || alternatives_are_an_option(members))
        && inner_are_exact(schema, marked, trusted)
}

fn inner_are_exact(schema: &Value, marked: bool, trusted: bool) -> bool {
    let mut all = true;
    keywords::for_each_subschema(schema, &mut |steps, inner| {
        let place = match steps[0] {
            "oneOf" if marked => Place::Variant,
            "properties" if trusted && !marked => Place::VariantProperty,
            _ => Place::Plain,
        };
        all = all && exact(inner, place);
    });
    all
}

fn known_keywords_only(members: &Map<String, Value>) -> bool {
    members.keys().all(|keyword| {
        matches!(
            keyword.as_str(),
            "$defs"
                | "$ref"
                | "additionalProperties"
                | "anyOf"
                | "const"
                | "default"
                | "deprecated"
                | "description"
                | "enum"
                | "examples"
                | "items"
                | "maximum"
                | "minimum"
                | "oneOf"
                | "properties"
                | "readOnly"
                | "required"
                | "title"
                | "type"
                | "writeOnly"
                | EXACT
        )
    })
}

/// A struct or an enum made by another derive also parses shapes that its schema lacks.
fn names_members(members: &Map<String, Value>) -> bool {
    members.get("additionalProperties") == Some(&Value::Bool(false))
        || ["enum", "properties", "required"]
            .iter()
            .any(|keyword| members.contains_key(*keyword))
}

/// `Option<T>` of a struct is "one of `T` and null"; any other choice is an enum's.
fn alternatives_are_an_option(members: &Map<String, Value>) -> bool {
    if members.contains_key("oneOf") {
        return false;
    }
    match members.get("anyOf") {
        None => true,
        Some(Value::Array(both)) => {
            both.len() == 2 && both[1] == serde_json::json!({"type": "null"})
        }
        Some(_) => false,
    }
}

/// An integer type has a range of its own; any other range is a constraint.
fn integer_has_a_type_range(members: &Map<String, Value>) -> bool {
    let is_integer = match members.get("type") {
        Some(Value::Array(names)) => names.contains(&"integer".into()),
        Some(name) => name == "integer",
        None => false,
    };
    let range = (members.get("minimum"), members.get("maximum"));
    if !is_integer {
        return range == (None, None);
    }
    let (Some(min), Some(max)) = range else {
        return false;
    };
    let of_a_type = [
        (i64::from(i8::MIN), i8::MAX as u64),
        (i64::from(i16::MIN), i16::MAX as u64),
        (i64::from(i32::MIN), i32::MAX as u64),
        (i64::MIN, i64::MAX as u64),
        (0, u64::from(u8::MAX)),
        (0, u64::from(u16::MAX)),
        (0, u64::from(u32::MAX)),
        (0, u64::MAX),
    ];
    of_a_type.contains(&(min.as_i64().unwrap_or(1), max.as_u64().unwrap_or_default()))
}
