//! Turns any JSON Schema into the one canonical form that every host, model API and digest sees.
//!
//! The result says the same as the input, in fewer ways: no `$schema`, references only where a
//! type contains itself, no boolean subschemas, no formats that only Rust knows, sorted keys.
//! What cannot be brought into that form is refused with a [`SchemaProblem`]. Nothing here
//! fetches anything or compiles a validator.

mod keywords;
mod problem;
mod references;
mod rewrite;
mod typed;

pub use problem::SchemaProblem;

use serde_json::{Map, Value};

use self::rewrite::Rewriter;

/// Deepest nesting of a schema, references followed.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most values in a schema, references followed.
pub(crate) const MAX_NODES: usize = 10_000;
/// Largest schema, in bytes of JSON.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// Marks, in a derived schema, a type whose parser accepts exactly what the schema accepts.
pub(crate) const EXACT: &str = "x-keyway-exact";

/// Normalises the schema of a tool's arguments.
///
/// The root of the result is a plain object: `type: object` with `properties`, no combinator.
///
/// ```
/// use keyway_plugin_api::normalise_input;
/// use keyway_plugin_api::serde_json::json;
///
/// let schema = normalise_input(&json!({
///     "$schema": "http://json-schema.org/draft-07/schema#",
///     "type": "object",
///     "properties": { "at": { "$ref": "#/definitions/Point" }, "any": true },
///     "definitions": { "Point": { "type": "integer", "format": "uint8" } }
/// }))?;
/// assert_eq!(schema, json!({
///     "type": "object",
///     "properties": { "any": {}, "at": { "type": "integer", "minimum": 0, "maximum": 255 } }
/// }));
/// # Ok::<(), keyway_plugin_api::SchemaProblem>(())
/// ```
///
/// # Errors
/// [`SchemaProblem::RootNotObject`] and [`SchemaProblem::RootCombinator`] for a root that is no
/// plain object; otherwise as [`normalise_output`].
pub fn normalise_input(schema: &Value) -> Result<Value, SchemaProblem> {
    normalise_derived(schema).map(|(schema, _)| schema)
}

/// Normalises the schema of a tool's result; its root may be any schema.
///
/// # Errors
/// [`SchemaProblem::TooDeep`], [`SchemaProblem::TooManyNodes`] and [`SchemaProblem::TooLarge`]
/// beyond the bounds (64 levels, 10,000 values, 256 KiB, references followed);
/// [`SchemaProblem::RemoteReference`] and [`SchemaProblem::DeadReference`] for a `$ref` that
/// leaves the document or leads nowhere; [`SchemaProblem::NotASchema`] where a schema is neither
/// an object nor a boolean.
pub fn normalise_output(schema: &Value) -> Result<Value, SchemaProblem> {
    normalise_derived_output(schema).map(|(schema, _)| schema)
}

/// Normalises an output schema and tells whether its types, if the derive made both, serialise to
/// nothing else.
pub(crate) fn normalise_derived_output(schema: &Value) -> Result<(Value, bool), SchemaProblem> {
    let mut schema = canonical(schema)?;
    let typed = typed::is_guaranteed(&schema);
    unmark(&mut schema);
    Ok((schema, typed))
}

/// Normalises an input schema and tells whether its parser, if the derive made both, accepts
/// exactly what it accepts.
pub(crate) fn normalise_derived(schema: &Value) -> Result<(Value, bool), SchemaProblem> {
    if !schema.is_object() {
        return Err(SchemaProblem::root_not_object(schema));
    }
    let mut schema = canonical(schema)?;
    make_plain_root(&mut schema)?;
    let typed = typed::is_exact(&schema);
    unmark(&mut schema);
    Ok((schema, typed))
}

fn canonical(schema: &Value) -> Result<Value, SchemaProblem> {
    let heads = references::recursive_targets(schema)?;
    let schema = Rewriter::new(schema, heads).document()?;
    let bytes = serde_json::to_vec(&schema).map_or(usize::MAX, |bytes| bytes.len());
    if bytes > MAX_BYTES {
        return Err(SchemaProblem::TooLarge { limit: MAX_BYTES });
    }
    Ok(schema)
}

fn make_plain_root(schema: &mut Value) -> Result<(), SchemaProblem> {
    let Value::Object(root) = schema else {
        return Err(SchemaProblem::root_not_object(schema));
    };
    if let Some(keyword) = keywords::COMBINATORS
        .iter()
        .find(|k| root.contains_key(**k))
    {
        return Err(SchemaProblem::RootCombinator {
            keyword: (*keyword).to_owned(),
        });
    }
    let is_object = match root.get("type") {
        None => root.contains_key("properties") || root.is_empty(),
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => matches!(&names[..], [Value::String(n)] if n == "object"),
        Some(_) => false,
    };
    if !is_object {
        return Err(SchemaProblem::root_not_object(schema));
    }
    root.insert("type".to_owned(), "object".into());
    let properties = root
        .entry("properties")
        .or_insert_with(|| Map::new().into());
    if properties.is_object() {
        return Ok(());
    }
    Err(SchemaProblem::NotASchema {
        at: "/properties".to_owned(),
    })
}

fn unmark(schema: &mut Value) {
    keywords::for_each_subschema_mut(schema, &mut unmark);
    if let Value::Object(schema) = schema {
        schema.remove(EXACT);
    }
}
