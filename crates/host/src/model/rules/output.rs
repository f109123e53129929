//! What MCP clients are told of a tool beside its arguments.

use keyway_plugin_api::{Effect, ToolDescriptor};
use serde_json::{Value, json};

/// An output schema whose root is an object.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ObjectOutput {
    /// The schema.
    pub schema: Value,
    /// Whether results must be wrapped as `{"result": …}` to fit it.
    pub is_wrapped: bool,
}

/// Rule 10: makes an output schema that MCP clients of 2025-11-25 and before take. Where its root
/// is no object, the result stands under `result`.
///
/// ```
/// use keyway_host::model::rules::object_output;
/// use serde_json::json;
/// let output = object_output(&json!({"type": "integer"}));
/// assert!(output.is_wrapped);
/// assert_eq!(output.schema["properties"], json!({"result": {"type": "integer"}}));
/// ```
#[must_use]
pub fn object_output(schema: &Value) -> ObjectOutput {
    if schema.get("type").and_then(Value::as_str) == Some("object") {
        return ObjectOutput {
            schema: schema.clone(),
            is_wrapped: false,
        };
    }
    ObjectOutput {
        schema: wrapped(schema),
        is_wrapped: true,
    }
}

/// References start at the root, which moves down: definitions come up, and a schema that holds
/// itself becomes one of them.
fn wrapped(schema: &Value) -> Value {
    let mut inner = schema.clone();
    let definitions = inner.as_object_mut().and_then(|s| s.remove("$defs"));
    let mut definitions = definitions.unwrap_or_else(|| json!({}));
    let mut holds_itself = false;
    redirect(&mut inner, &mut holds_itself);
    redirect(&mut definitions, &mut holds_itself);
    if holds_itself {
        definitions[ROOT] = inner;
        inner = json!({ "$ref": format!("#/$defs/{ROOT}") });
    }
    let mut whole = json!({
        "type": "object",
        "properties": { "result": inner },
        "required": ["result"],
    });
    if definitions != json!({}) {
        whole["$defs"] = definitions;
    }
    whole
}

/// What the root is called once it is a definition. `$` stands in no name the normaliser gives.
const ROOT: &str = "$root";

fn redirect(schema: &mut Value, holds_itself: &mut bool) {
    match schema {
        Value::Object(members) => {
            if members.get("$ref").and_then(Value::as_str) == Some("#") {
                members.insert("$ref".to_owned(), format!("#/$defs/{ROOT}").into());
                *holds_itself = true;
            }
            let children = members.values_mut();
            children.for_each(|child| redirect(child, holds_itself));
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|child| redirect(child, holds_itself)),
        _ => {}
    }
}

/// Rule 11: makes the hints of an MCP tool from what the tool declares; booleans, all four.
///
/// ```
/// use keyway_host::model::rules::annotations;
/// use keyway_plugin_api::{Effect, ToolDescriptor};
/// let schema = serde_json::json!({"type": "object"});
/// let descriptor = ToolDescriptor::new("look".parse()?, "Looks.", Effect::Read, schema);
/// assert_eq!(annotations(&descriptor)["readOnlyHint"], true);
/// assert_eq!(annotations(&descriptor)["destructiveHint"], false);
/// # Ok::<(), keyway_plugin_api::NameError>(())
/// ```
#[must_use]
pub fn annotations(descriptor: &ToolDescriptor) -> Value {
    let effect = descriptor.effect;
    json!({
        "readOnlyHint": effect == Effect::Read,
        "destructiveHint": effect >= Effect::Destructive,
        "idempotentHint": descriptor.idempotent || effect == Effect::Read,
        "openWorldHint": descriptor.is_open_world(),
    })
}
